"""Ask the service under test."""

PATH = "/v1/drawings/analyze"


async def analyze(service, content, **options):
    """The answer to a file that can be read."""
    answer = await service.post(PATH, files={"file": ("sheet", content)}, data=options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def texts(items):
    """What is printed, in order."""
    return sorted(each["text"] for each in items)
