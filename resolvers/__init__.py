"""Operations: rules, permissions and routing, without GraphQL and without MongoDB. schema and server import it."""
