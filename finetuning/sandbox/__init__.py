"""An OpenAI-compatible fine-tuning server for rehearsals: it answers like the vendor and trains nothing."""
