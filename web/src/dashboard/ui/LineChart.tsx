import { usePlot, type PlotColors, type PlotOptions } from "./usePlot";

/** What the x axis spans at first. */
const SHORTEST_SECONDS = 60;

interface LineChartProps {
  /** What the chart shows, for screen readers, with its present value. */
  label: string;
  /** Seconds since 1970, ascending. */
  times: number[];
  values: number[];
  /** The most seconds that the x axis spans, up to the last time. It is a constant. */
  spanSeconds: number;
}

/** A line over time that grows at its right end. */
export function LineChart({ label, times, values, spanSeconds }: LineChartProps) {
  const box = usePlot([times, values], (colors) => optionsOf(colors, spanSeconds));
  return <div ref={box} role="img" aria-label={label} className="chart" />;
}

function optionsOf({ line, fill, text, grid }: PlotColors, spanSeconds: number): PlotOptions {
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "11px system-ui" };
  return {
    padding: [8, 24, 0, 0],
    scales: {
      x: { range: (_, first, last) => [last - Math.min(spanSeconds, Math.max(SHORTEST_SECONDS, last - first)), last] },
      y: { range: (_, __, highest) => [0, Math.max(4, Math.ceil((highest ?? 0) * 1.15))] },
    },
    axes: [
      { ...axis, size: 24, space: 90, values: (_, times, __, ___, step) => times.map((time) => clock(time, step < 60)) },
      { ...axis, size: 40, space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] },
    ],
    series: [{}, { stroke: line, fill, width: 2, points: { show: false } }],
  };
}

function clock(seconds: number, exact: boolean): string {
  const second = exact ? "2-digit" : undefined;
  return new Date(seconds * 1_000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second });
}
