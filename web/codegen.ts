import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  ignoreNoDocuments: true,
  schema: "../schema/schema.graphql",
  documents: ["src/**/*.graphql", "!src/graphiql/examples/*"],
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        strictScalars: true,
        useTypeImports: true,
        enumsAsTypes: true,
        scalars: {
          Cursor: "string",
          DateTime: "string",
          FieldValue: "string | number | boolean | string[]",
          JSON: "unknown",
          Long: "number",
        },
      },
    },
    "src/gql/possibleTypes.ts": { plugins: ["fragment-matcher"], config: { useExplicitTyping: true } },
  },
};

export default config;
