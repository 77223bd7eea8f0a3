# SPDX-License-Identifier: Apache-2.0
"""What comes of code: output, tracebacks, and files in and out."""

import base64

import pytest

from runwright import File
from runwright.errors import InputValidationError
from runwright.types import Outcome
from tests.code_executors.conftest import Run

OK, FAILED = Outcome.OUTCOME_OK, Outcome.OUTCOME_FAILED


async def test_what_is_printed_comes_back_whatever_its_letters(run_either_way: Run) -> None:
    result = await run_either_way("import sys\nprint('Grüße, 世界 🌍')\nprint('beside', file=sys.stderr)")
    assert (result.outcome, result.exit_code) == (OK, 0)
    assert (result.stdout, result.stderr) == ("Grüße, 世界 🌍\n", "beside")


async def test_bytes_that_are_no_text_are_shown_as_far_as_they_are(run_either_way: Run) -> None:
    result = await run_either_way("import sys; sys.stdout.buffer.write(b'a\\xffb')")
    assert result.stdout == "a\ufffdb"


async def test_code_that_is_no_valid_unicode_is_run_as_far_as_it_is(run_either_way: Run) -> None:
    assert (await run_either_way("print('\ud800')")).stdout == "?\n"


async def test_an_exception_comes_with_its_traceback_and_no_path_of_ours(run_either_way: Run) -> None:
    result = await run_either_way("def divide(x):\n    return 1 / x\n\nprint('so far')\ndivide(0)")
    assert (result.outcome, result.exit_code, result.stdout) == (FAILED, 1, "so far\n")
    assert result.stderr.startswith("Traceback (most recent call last):\n") and "return 1 / x" in result.stderr
    assert result.stderr.endswith("ZeroDivisionError: division by zero")
    assert "runwright-" not in result.stderr and "launcher" not in result.stderr


async def test_code_that_is_no_python_comes_with_where_it_is_wrong(run_either_way: Run) -> None:
    result = await run_either_way("print(1")
    assert result.outcome == FAILED and "SyntaxError: '(' was never closed" in result.stderr


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import sys; sys.exit(3)", 3, "The code ended with status 3."),
        ("import sys; sys.exit('no')", 1, "no"),
        ("import os; os._exit(4)", 4, "The code ended with status 4."),
        ("import os; os.abort()", 134, "The code was ended by the signal 6."),
    ],
)
async def test_how_it_ended_is_told(run_either_way: Run, code: str, status: int, said: str) -> None:
    result = await run_either_way(code)
    assert (result.outcome, result.exit_code, result.stderr) == (FAILED, status, said)


async def test_an_early_end_that_is_meant_is_none(run_either_way: Run) -> None:
    assert (await run_either_way("import sys; sys.exit(0)")).outcome == OK


async def test_nobody_answers_its_questions(run_either_way: Run) -> None:
    assert "EOFError" in (await run_either_way("input('Name? ')")).stderr


async def test_files_go_in_and_come_out(run_either_way: Run) -> None:
    code = """
import os
print(sorted(os.listdir()), open("data/in.csv").read(), open("raw").read())
open("data/in.csv", "a").write("3,4")
open("data/out.csv", "w").write("5")
open("plot.png", "wb").write(bytes([137, 80]))
"""
    given = [
        File("data/in.csv", b"1,2\n", "text/csv"),
        File("raw", base64.b64encode(b"as ADK has it").decode()),
        File("kept", b"unchanged"),
    ]
    result = await run_either_way(code, *given)
    assert result.stdout == "['data', 'kept', 'raw'] 1,2\n as ADK has it\n"
    assert result.output_files == [
        File("plot.png", b"\x89P", "image/png"),
        File("data/in.csv", b"1,2\n3,4", "text/csv"),
        File("data/out.csv", b"5", "text/csv"),
    ]


async def test_files_of_code_that_failed_come_out_too(run_either_way: Run) -> None:
    result = await run_either_way("open('log', 'w').write('x')\n1 / 0")
    assert (result.outcome, [file.name for file in result.output_files]) == (FAILED, ["log"])


async def test_no_more_files_come_out_than_may(run_either_way: Run) -> None:
    code = "for at in range(5):\n    open(f'{at}', 'w').write('x' * 10)\nopen('3', 'w').write('x' * 1000)"
    result = await run_either_way(code, max_output_files=4, max_output_file_bytes=100)
    assert [file.name for file in result.output_files] == ["0", "1", "2", "4"]
    assert result.outcome == OK and "1 files were too many or too large" in result.stderr


async def test_only_plain_files_of_its_folder_come_out(run_either_way: Run) -> None:
    code = """
import os
os.symlink("/etc/hostname", "link")
os.symlink("/usr", "folder")
os.mkfifo("pipe")
os.mkdir("closed")
open("closed/file", "w").write("x")
os.chmod("closed", 0)
open("good", "w").write("x")
"""
    result = await run_either_way(code)
    assert (result.outcome, result.stderr) == (OK, "")
    assert {"good"} <= {file.name for file in result.output_files} <= {"good", "closed/file"}


async def test_files_that_lie_very_deep_stay_there(run: Run) -> None:
    code = """
import os
for depth in range(1500):
    os.mkdir("a")
    os.chdir("a")
    open("f", "w").write("x")
"""
    result = await run(code, max_output_files=100)
    assert (result.outcome, len(result.output_files)) == (OK, 32)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "nul\0"])
async def test_a_file_whose_name_leads_elsewhere_is_not_given(run_either_way: Run, name: str) -> None:
    with pytest.raises(InputValidationError, match="cannot be given to code"):
        await run_either_way("print('never')", File(name, b""))


async def test_more_files_than_there_is_room_for_are_not_given(run_either_way: Run) -> None:
    with pytest.raises(InputValidationError, match="raise disk_bytes"):
        await run_either_way("print('never')", File("large", b"x" * 2000), disk_bytes=1000)


async def test_each_execution_starts_anew(run_either_way: Run) -> None:
    await run_either_way("x = 1\nopen('/tmp/left' if __file__ == '/code.py' else 'left', 'w').write('x')")
    result = await run_either_way("import os; print(os.listdir(), os.path.exists('/tmp/left'), 'x' in globals())")
    assert result.stdout == "[] False False\n"


async def test_a_file_whose_name_is_no_text_comes_back_all_the_same(run_either_way: Run) -> None:
    result = await run_either_way("open(b'a\\xff', 'w').write('1')")
    assert result.outcome == Outcome.OUTCOME_OK
    assert [(file.name, file.content) for file in result.output_files] == [("a?", b"1")]
