from models_registry.models.agents import Agent, AgentSwitch
from models_registry.models.api_keys import ApiKey
from models_registry.models.fine_tuned_models import FineTunedModel, FineTunedModelQuerySet
from models_registry.models.prices import PlainPrice
from models_registry.models.usage import UsageBatch, UsageDay

__all__ = [
    "Agent",
    "AgentSwitch",
    "ApiKey",
    "FineTunedModel",
    "FineTunedModelQuerySet",
    "PlainPrice",
    "UsageBatch",
    "UsageDay",
]
