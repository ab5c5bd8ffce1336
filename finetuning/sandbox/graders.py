"""``/fine_tuning/alpha/graders``: score an answer. Code that a caller sends is never executed."""

import ast
import math
import operator
import re
import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from finetuning.sandbox.errors import ApiError
from finetuning.sandbox.http import Json, Request, Response, json_response
from finetuning.sandbox.similarity import METRICS
from finetuning.sandbox.state import Sandbox

MAX_FORMULA_CHARACTERS = 1_000
STRING_CHECKS: dict[str, Callable[[str, str], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "like": lambda text, wanted: wanted in text,
    "ilike": lambda text, wanted: wanted.casefold() in text.casefold(),
}
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # The formula language writes powers with ^, which Python reads as exclusive or.
    ast.BitXor: math.pow,
}
FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
ERROR_KEYS = (
    *(
        "formula_parse_error",
        "invalid_variable_error",
        "model_grader_parse_error",
        "model_grader_refusal_error",
    ),
    *(
        "model_grader_server_error",
        "other_error",
        "python_grader_runtime_error",
        "python_grader_server_error",
    ),
    *("sample_parse_error", "truncated_observation_error", "unresponsive_reward_error"),
)


class StringCheck(msgspec.Struct, tag="string_check"):
    """Compare two texts."""

    name: str
    input: str
    reference: str
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(msgspec.Struct, tag="text_similarity"):
    """Measure how near two texts are, 0 to 1."""

    name: str
    input: str
    reference: str
    evaluation_metric: str


class ScoreModel(msgspec.Struct, tag="score_model"):
    """Let a model give the score."""

    name: str
    input: list[Json]
    model: str
    range: list[float] | None = None
    sampling_params: Json | None = None


class Python(msgspec.Struct, tag="python"):
    """Let the caller's code give the score."""

    name: str
    source: str
    image_tag: str | None = None


class LabelModel(msgspec.Struct, tag="label_model"):
    """Let a model choose a label."""

    name: str
    input: list[Json]
    model: str
    labels: list[str]
    passing_labels: list[str]


Single = StringCheck | TextSimilarity | ScoreModel | Python | LabelModel


class Multi(msgspec.Struct, tag="multi"):
    """Combine named graders by a formula."""

    name: str
    graders: dict[str, Single]
    calculate_output: str


Grader = Single | Multi


class ValidateGrader(msgspec.Struct):
    """Body of ``POST /fine_tuning/alpha/graders/validate``."""

    grader: Json


class RunGrader(msgspec.Struct):
    """Body of ``POST /fine_tuning/alpha/graders/run``."""

    grader: Json
    model_sample: str
    item: Any = None


def validate(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /fine_tuning/alpha/graders/validate``."""
    body = request.json(ValidateGrader)
    parse(body.grader)
    return json_response({"grader": body.grader})


def run(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /fine_tuning/alpha/graders/run``."""
    body = request.json(RunGrader)
    grader = parse(body.grader)
    started = time.perf_counter()
    scores = _scores(grader, body.model_sample, body.item)
    reward = evaluate(grader.calculate_output, scores) if isinstance(grader, Multi) else scores[grader.name]
    return json_response(
        {
            "reward": reward,
            "sub_rewards": scores if isinstance(grader, Multi) else {},
            "model_grader_token_usage_per_model": {},
            "metadata": _run_metadata(grader, body.grader["type"], scores, time.perf_counter() - started),
        }
    )


def parse(grader: Json) -> Grader:
    """Return the grader. Raises ``ApiError`` 400 when it is malformed, or when it is or holds Python code."""
    try:
        parsed: Grader = msgspec.convert(grader, Grader)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"Invalid grader: {error}.", param="grader", code="invalid_grader") from error
    for single in parsed.graders.values() if isinstance(parsed, Multi) else [parsed]:
        _check(single)
    if isinstance(parsed, Multi):
        evaluate(parsed.calculate_output, dict.fromkeys(parsed.graders, 1.0))
    return parsed


def _check(grader: Grader) -> None:
    if isinstance(grader, Python):
        raise ApiError(400, "Sandbox: python graders are refused, nothing is executed here.", param="grader")
    if isinstance(grader, TextSimilarity) and grader.evaluation_metric not in METRICS:
        known = ", ".join(METRICS)
        raise ApiError(
            400,
            f"Sandbox: text_similarity by '{grader.evaluation_metric}' is not computed here; "
            f"use one of {known}.",
            param="grader",
        )


def evaluate(formula: str, scores: dict[str, float]) -> float:
    """Return the value of a ``calculate_output`` formula. Raises ``ApiError`` 400 beyond arithmetic."""
    try:
        if len(formula) > MAX_FORMULA_CHARACTERS:
            raise ValueError(f"longer than {MAX_FORMULA_CHARACTERS} characters")
        return float(_value(ast.parse(formula, mode="eval").body, scores))
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ApiError(400, f"Invalid formula '{formula[:80]}': {error}.", param="grader") from error


def _value(node: ast.expr, scores: dict[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in scores:
            return scores[name]
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in OPERATORS:
            return OPERATORS[type(kind)](_value(left, scores), _value(right, scores))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, scores)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return float(FUNCTIONS[name](*(_value(argument, scores) for argument in arguments)))
    raise ValueError(f"'{ast.unparse(node)}' is neither a grader's name nor allowed arithmetic")


def _scores(grader: Grader, sample: str, item: Any) -> dict[str, float]:
    if isinstance(grader, Multi):
        return {name: _score(single, sample, item) for name, single in grader.graders.items()}
    return {grader.name: _score(grader, sample, item)}


def _score(grader: Single, sample: str, item: Any) -> float:
    if isinstance(grader, StringCheck):
        given, wanted = fill(grader.input, sample, item), fill(grader.reference, sample, item)
        return float(STRING_CHECKS[grader.operation](given, wanted))
    if isinstance(grader, TextSimilarity):
        given, wanted = fill(grader.input, sample, item), fill(grader.reference, sample, item)
        return METRICS[grader.evaluation_metric](given, wanted)
    raise ApiError(
        400, "Sandbox: there is no model here that could grade; score_model cannot be run.", param="grader"
    )


def fill(template: str, sample: str, item: Any) -> str:
    """Replace ``{{item.a.b}}``, ``{{sample.output_text}}`` and ``{{sample.output_json.a}}``.

    Raises ``ApiError`` 400 for a name that leads nowhere.
    """
    return re.sub(r"\{\{\s*([\w.]+)\s*\}\}", lambda found: _lookup(found[1], sample, item), template)


def _lookup(path: str, sample: str, item: Any) -> str:
    value: Any = {"item": item, "sample": {"output_text": sample}}
    if path.startswith("sample.output_json"):
        value["sample"]["output_json"] = _parsed(sample)
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ApiError(400, f"The template variable '{path}' does not exist.", param="grader")
        value = value[key]
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _parsed(sample: str) -> Any:
    try:
        return msgspec.json.decode(sample)
    except msgspec.DecodeError as error:
        raise ApiError(400, f"The model sample is not JSON: {error}.", param="model_sample") from error


def _run_metadata(grader: Grader, type_name: str, scores: dict[str, float], seconds: float) -> Json:
    return {
        "name": grader.name,
        "type": type_name,
        "errors": {
            **dict.fromkeys(ERROR_KEYS, False),
            "model_grader_server_error_details": None,
            "python_grader_runtime_error_details": None,
            "python_grader_server_error_type": None,
        },
        "execution_time": seconds,
        "scores": scores,
        "token_usage": None,  # nosec B105 - a count
        "sampled_model_name": None,
    }
