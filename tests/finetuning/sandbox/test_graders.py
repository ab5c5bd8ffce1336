import openai
import pytest

from finetuning.sandbox.graders import evaluate
from finetuning.sandbox.similarity import METRICS


def string_check(operation="eq", reference="{{item.answer}}"):
    return {
        "type": "string_check",
        "name": "check",
        "operation": operation,
        "input": "{{sample.output_text}}",
        "reference": reference,
    }


def similarity(metric):
    return {
        "type": "text_similarity",
        "name": "near",
        "evaluation_metric": metric,
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
    }


def run(rehearsal, grader, sample="Rome", item=None):
    return rehearsal.api.fine_tuning.alpha.graders.run(
        grader=grader, model_sample=sample, item=item or {"answer": "Rome"}
    )


@pytest.mark.parametrize(
    ("operation", "reference", "reward"),
    [
        ("eq", "Rome", 1),
        ("eq", "rome", 0),
        ("ne", "Paris", 1),
        ("like", "om", 1),
        ("ilike", "ROM", 1),
        ("like", "ROM", 0),
    ],
)
def test_checks_strings(rehearsal, operation, reference, reward):
    assert run(rehearsal, string_check(operation, reference)).reward == reward


def test_fills_templates_from_item_and_sample(rehearsal):
    grader = {**string_check(reference="{{item.deep.answer}}"), "input": "{{ sample.output_json.city }}"}

    result = run(rehearsal, grader, '{"city": "Rome"}', {"deep": {"answer": "Rome"}})

    assert result.reward == 1


@pytest.mark.parametrize("metric", METRICS)
def test_finds_equal_texts_equal_and_others_not(rehearsal, metric):
    text = "the quick brown fox jumps over the lazy dog"

    equal = run(rehearsal, similarity(metric), text, {"answer": text}).reward
    other = run(rehearsal, similarity(metric), "1 2 3 4 5 6 7 8 9", {"answer": text}).reward
    empty = run(rehearsal, similarity(metric), "", {"answer": text}).reward

    assert equal == pytest.approx(1)
    assert other < 0.3
    assert empty == 0


def test_measures_the_longest_common_subsequence():
    assert METRICS["rouge_l"]("a b c d", "a x c d") == pytest.approx(0.75)
    assert METRICS["rouge_1"]("a b", "a c") == pytest.approx(0.5)


def test_combines_graders_by_a_formula(rehearsal):
    graders = {"exact": string_check(), "near": similarity("fuzzy_match")}
    multi = {
        "type": "multi",
        "name": "both",
        "graders": graders,
        "calculate_output": "(exact + 3 * near) / 4",
    }

    result = run(rehearsal, multi, "Roma")

    assert result.reward == pytest.approx(3 * 0.75 / 4)
    assert set(result.sub_rewards) == {"exact", "near"}


@pytest.mark.parametrize(
    ("formula", "value"),
    [("2 ^ 3", 8), ("-a + max(a, 2)", 1), ("sqrt(16) + floor(1.5)", 5), ("log(exp(1))", 1)],
)
def test_knows_the_arithmetic_of_formulas(formula, value):
    assert evaluate(formula, {"a": 1.0}) == pytest.approx(value)


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os')",
        "a.real",
        "(1).__class__",
        "[a for a in (1,)]",
        "9 ^ 9 ^ 9 ^ 9",
        "b",
        "1 / 0",
        "1 +",
        "-" * 5000 + "1",
        "max()",
        "'x'",
    ],
)
def test_computes_nothing_but_arithmetic(rehearsal, formula):
    multi = {"type": "multi", "name": "m", "graders": {"a": string_check()}, "calculate_output": formula}

    with pytest.raises(openai.BadRequestError, match="formula"):
        run(rehearsal, multi)


@pytest.mark.parametrize("method", ["run", "validate"])
@pytest.mark.parametrize("wrap", [False, True])
def test_never_executes_code(rehearsal, tmp_path, method, wrap):
    trace = tmp_path / "executed"
    grader = {"type": "python", "name": "p", "source": f"open({str(trace)!r}, 'w')"}
    multi = {"type": "multi", "name": "m", "graders": {"p": grader}, "calculate_output": "p"}
    body = {"grader": multi if wrap else grader, "model_sample": "x"}

    with pytest.raises(openai.BadRequestError, match="python graders are refused"):
        rehearsal.api.post(f"/fine_tuning/alpha/graders/{method}", body=body, cast_to=object)

    assert not trace.exists()


@pytest.mark.parametrize(
    "grader",
    [
        {"type": "nothing"},
        {"type": "string_check", "name": "x"},
        string_check(operation="neq"),
        similarity("meteor"),
        {},
    ],
)
def test_refuses_graders_that_are_none(rehearsal, grader):
    with pytest.raises(openai.BadRequestError):
        rehearsal.api.fine_tuning.alpha.graders.validate(grader=grader)


def test_refuses_a_variable_that_leads_nowhere(rehearsal):
    with pytest.raises(openai.BadRequestError, match=r"item\.nothing"):
        run(rehearsal, string_check(reference="{{item.nothing}}"))
