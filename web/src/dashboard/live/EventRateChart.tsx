import UPlot from "uplot";
import { usePlot, type PlotColors, type PlotOptions } from "../ui/usePlot";

interface EventRateChartProps {
  label: string;
  /** The start of each minute, in seconds since 1970. */
  times: number[];
  counts: number[];
}

/** A bar for each minute. */
export default function EventRateChart({ label, times, counts }: EventRateChartProps) {
  const box = usePlot([times, counts], optionsOf);
  return <div ref={box} role="img" aria-label={label} className="chart" />;
}

function optionsOf({ line, text }: PlotColors): PlotOptions {
  const axis = { stroke: text, font: "11px system-ui", grid: { show: false }, ticks: { show: false } };
  return {
    padding: [8, 0, 0, 0],
    // A bar stands around its time.
    scales: { x: { range: (_, first, last) => [first - 30, last + 30] }, y: { range: (_, __, most) => [0, Math.max(4, most)] } },
    axes: [
      { ...axis, size: 20, space: 70, values: (_, times) => times.map(clock) },
      { ...axis, size: 34, space: 26, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000] },
    ],
    series: [{}, { fill: line, stroke: line, paths: UPlot.paths.bars!({ size: [0.7, 40] }), points: { show: false } }],
  };
}

function clock(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
