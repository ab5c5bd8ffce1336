"""What operators show beside their password before they are let into their site."""
