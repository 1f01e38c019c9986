"""What it means: rules, permissions and routing. No GraphQL and no MongoDB here."""
