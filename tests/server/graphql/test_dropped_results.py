"""Results that a process has cached do not outlive what it knows to be removed."""

from starlette.responses import Response

from resolvers.context import Services
from schema.execution.cohorts import Batch, Delivery
from schema.schema import schema
from server.graphql.endpoint import GraphQLEndpoint
from server.settings import Settings
from server.shutdown import Shutdown


class Source:
    """A source of a result."""

    key = 1
    cursor = "c"
    message_id = None

    def root(self) -> object:
        return self


async def test_a_process_that_has_missed_events_drops_its_results(services: Services) -> None:
    endpoint = GraphQLEndpoint(schema, services, Settings(), graphiql=Response, shutdown=Shutdown())
    with endpoint.cohorts.join("key") as cohort, endpoint.cohorts.join("key"):
        cohort.put(1, Delivery(Source(), {"text": "x"}, None))
        cohort.put_batch(1, Batch(b"x", 1, 1))
        assert cohort.get(1) is not None
        assert cohort.get_batch(1) is not None

        for reload in services.storage.feed.reloaders:
            await reload()

        assert cohort.get(1) is None
        assert cohort.get_batch(1) is None
