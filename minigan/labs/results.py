"""What a lab's check found: for a person, and as JSON, JUnit's XML and Gradescope's JSON."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree import ElementTree

from .task import Lab

RIGHT, WRONG = "right", "wrong"


@dataclass(frozen=True)
class Result:
    """A task: the points earned of those that can be had, and what is wrong; "" if nothing is."""

    task: str
    points: int
    earned: int
    message: str = ""
    seconds: float = 0.0

    def text(self, lab: str) -> str:
        """Its lines for a terminal."""
        lines = [f"{self.earned:3} of {self.points}  {self.task}"]
        if self.message:
            lines += [f"          {line}" for line in self.message.splitlines()]
            lines.append(f"          more: minigan lab hint {lab} {self.task}")
        return "\n".join(lines)


@dataclass
class Checked:
    """A file: its tasks; or the reason why none of it could be checked."""

    lab: str
    title: str
    file: str
    student: str
    points: int
    results: list[Result] = field(default_factory=list)
    problem: str = ""

    @classmethod
    def of(cls, lab: Lab, file: str, student: str) -> "Checked":
        """With no results yet."""
        return cls(lab.number, lab.title, file, student, lab.points)

    @property
    def earned(self) -> int:
        """The points of all tasks."""
        return sum(result.earned for result in self.results)

    @property
    def status(self) -> int:
        """0 if all points were earned, 1 if not, 2 if nothing could be checked."""
        return 2 if self.problem else int(self.earned < self.points)

    def document(self) -> dict[str, Any]:
        """For other programs."""
        return {**asdict(self), "earned": self.earned}

    def json(self) -> str:
        """The document, as text."""
        return json.dumps(self.document(), indent=2)

    def junit(self) -> str:
        """A test suite of JUnit's form: a task is a case."""
        failures = sum(result.earned < result.points for result in self.results)
        suite = ElementTree.Element(
            "testsuite", name=f"lab {self.lab}", tests=str(len(self.results) or 1), failures=str(failures),
            errors=str(int(bool(self.problem))), time=f"{sum(result.seconds for result in self.results):.3f}",
        )  # fmt: skip
        for result in self.results:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"lab{self.lab}", name=result.task, time=f"{result.seconds:.3f}"
            )
            if result.message:
                ElementTree.SubElement(case, "failure", message=result.message.splitlines()[0]).text = result.message
        if self.problem:
            case = ElementTree.SubElement(suite, "testcase", classname=f"lab{self.lab}", name="the file")
            ElementTree.SubElement(case, "error", message=self.problem).text = self.problem
        ElementTree.indent(suite)
        return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"

    def gradescope(self) -> str:
        """results.json of a Gradescope autograder, where every task is a test that students see."""
        tests = [
            {"name": result.task, "score": result.earned, "max_score": result.points, "output": result.message or RIGHT}
            for result in self.results
        ]
        return json.dumps(
            {"score": self.earned, "output": self.problem, "visibility": "visible", "tests": tests}, indent=2
        )
