import { Group, NativeSelect, Pill, TextInput } from "@mantine/core";
import { useEffect, useState, type KeyboardEvent } from "react";
import { Problem } from "../../shell/Problem";
import { TERM_NAMES } from "./conditions";
import { describeTerm } from "./describe";
import { printTerm, type Term } from "./terms";
import type { Filter } from "./useFilter";

const TYPED_MILLISECONDS = 300;

/** The filter as a text that can be typed, and as one chip for each condition. */
export function FilterBar({ filter }: { filter: Filter }) {
  const { terms, problems, known, text, setText, setTerms } = filter;
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => setText(typed), TYPED_MILLISECONDS);
    return () => clearTimeout(timer);
    // A change of the link alone replaces what is typed.
  }, [typed]);

  function keyDown(event: KeyboardEvent<HTMLInputElement>) {
    if (event.key === "Enter") setText(typed);
    if (event.key === "Escape") event.currentTarget.blur();
  }

  const department = terms.find(({ name, not }) => name === "department" && !not);
  const others = terms.filter((one) => one !== department);
  const chosen = known.departments.find(({ id, name }) => id === department?.value || name === department?.value);
  const suggestions = [
    ...TERM_NAMES.map(([name]) => `${name}:`),
    ...known.fields.flatMap(({ key, options }) => [`${key}:`, ...options.map((value) => printTerm({ name: key, value, not: false }))]),
  ];
  return (
    <div>
      <Group gap="xs" align="end" className="filter-fields">
        <TextInput
          label="Filter"
          data-filter
          className="filter-text"
          placeholder="Words of the subject, tag:vip, priority:>1, waiting:>10m …"
          list="filter-suggestions"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={keyDown}
        />
        <datalist id="filter-suggestions">
          {suggestions.map((one) => (
            <option key={one} value={`${typed.replace(/\S*$/, "")}${one}`} />
          ))}
        </datalist>
        {known.departments.length > 0 && (
          <NativeSelect
            label="Department"
            value={department?.value === "none" ? "none" : (chosen?.name ?? "")}
            onChange={({ currentTarget: { value } }) =>
              setTerms(value === "" ? others : [{ name: "department", value, not: false }, ...others])
            }
            data={[
              { value: "", label: "All departments" },
              ...known.departments.map(({ name }) => ({ value: name, label: name })),
              { value: "none", label: "No department" },
            ]}
          />
        )}
      </Group>
      {terms.length > 0 && (
        <Group gap={6} mt="xs" role="group" aria-label="Conditions of the filter">
          {terms.map((term, index) => (
            <Pill
              key={`${index} ${printTerm(term)}`}
              withRemoveButton
              className={problems.has(term) ? "misread" : undefined}
              onRemove={() => setTerms(terms.filter((one) => one !== term))}
              removeButtonProps={{ "aria-label": `Remove ${labelOf(term)}`, "aria-hidden": false, tabIndex: 0 }}
            >
              {problems.has(term) ? printTerm(term) : describeTerm(term, known)}
            </Pill>
          ))}
        </Group>
      )}
      {[...problems.values()].map((problem) => (
        <Problem key={problem}>{problem}</Problem>
      ))}
    </div>
  );
}

function labelOf(term: Term): string {
  return `the condition ${printTerm(term)}`;
}
