import re
import urllib.request

import pytest

from tests.cos.commands import run, serving
from tests.support.waiting import wait_until


@pytest.mark.slow
def test_the_demonstration_shows_modules_that_live() -> None:
    def shown() -> str:
        with urllib.request.urlopen(served.url + "/board/modules", timeout=10) as answer:
            return str(answer.read(), "utf-8")

    with serving(command="demo") as served:
        wait_until(lambda: len(re.findall(r'class="state healthy"', shown())) >= 3)
        names = re.findall(r'<th scope="row"><bdi>([^<]+)</bdi></th>', shown())
        code = served.stop()

    assert names == sorted(names)
    assert len(names) == 8
    assert code == 0
    assert "Traceback" not in served.log


def test_its_help_says_where_the_modules_are() -> None:
    told = run("demo", "--help")

    assert told.exit_code == 0
    assert "stay there" in told.stdout
