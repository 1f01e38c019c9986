import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const HEIGHT = 110;

interface EventRateChartProps {
  label: string;
  /** The start of each minute, in seconds since 1970. */
  times: number[];
  counts: number[];
}

/** A bar for each minute. */
export default function EventRateChart({ label, times, counts }: EventRateChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const scheme = useComputedColorScheme("light");
  const latest = useRef<UPlot.AlignedData>([times, counts]);
  latest.current = [times, counts];
  useEffect(() => {
    const container = box.current!;
    const created = new UPlot(optionsOf(container), latest.current, container);
    plot.current = created;
    const resized = new ResizeObserver(() => created.setSize({ width: container.clientWidth, height: HEIGHT }));
    resized.observe(container);
    return () => {
      resized.disconnect();
      created.destroy();
      plot.current = null;
    };
    // A canvas does not follow the color scheme by itself.
  }, [scheme]);
  useEffect(() => plot.current?.setData([times, counts]), [times, counts]);
  return <div ref={box} role="img" aria-label={label} className="chart" />;
}

function optionsOf(container: HTMLElement): UPlot.Options {
  const style = getComputedStyle(container);
  const color = style.getPropertyValue("--mantine-primary-color-filled").trim();
  const axis = { stroke: style.color, font: "11px system-ui", grid: { show: false }, ticks: { show: false } };
  return {
    width: container.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 0, 0, 0],
    // A bar stands around its time.
    scales: { x: { range: (_, first, last) => [first - 30, last + 30] }, y: { range: (_, __, most) => [0, Math.max(4, most)] } },
    axes: [
      { ...axis, size: 20, space: 70, values: (_, times) => times.map(clock) },
      { ...axis, size: 34, space: 26, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000] },
    ],
    series: [{}, { fill: color, stroke: color, paths: UPlot.paths.bars!({ size: [0.7, 40] }), points: { show: false } }],
  };
}

function clock(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
