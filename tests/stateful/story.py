"""What every story of the state machines begins and ends with."""

from __future__ import annotations

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.stateful.world import World


class Story(RuleBasedStateMachine):
    """A world that is looked at after every step and brought to its end, unless a look already failed."""

    world: World
    healthy = True

    def teardown(self) -> None:
        """Let everything come to its end, and look once more."""
        try:
            if self.healthy:
                self.world.settle_all()
                self.world.check_end()
        finally:
            self.world.close()

    @invariant()
    def holds(self) -> None:
        """Everything, after every step."""
        self.healthy = False
        self.world.check()
        self.healthy = True
