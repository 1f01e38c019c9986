// graphql-eslint's rules for schemas, as they come.
import graphqlPlugin from "@graphql-eslint/eslint-plugin";

const { "flat/schema-recommended": recommended, "flat/schema-relay": relay } = graphqlPlugin.configs;

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: graphqlPlugin.parser,
      parserOptions: { graphQLConfig: { schema: "build/schema.graphql" } },
    },
    plugins: { "@graphql-eslint": graphqlPlugin },
    rules: { ...recommended.rules, ...relay.rules },
  },
];
