import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, type RefObject } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const HEIGHT = 110;

/** What charts differ in. */
export type PlotOptions = Pick<UPlot.Options, "padding" | "scales" | "axes" | "series">;

/** The colors of the color scheme, for a canvas. */
export interface PlotColors {
  line: string;
  fill: string;
  text: string;
  grid: string;
}

/** Draws a chart of the data in the element of the returned reference, as wide as the element. `options` is a constant. */
export function usePlot(data: UPlot.AlignedData, options: (colors: PlotColors) => PlotOptions): RefObject<HTMLDivElement | null> {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const scheme = useComputedColorScheme("light");
  const latest = useRef({ data, options });
  latest.current = { data, options };
  useEffect(() => {
    const container = box.current!;
    const fixed = { height: HEIGHT, legend: { show: false }, cursor: { show: false } };
    const created = new UPlot(
      { ...fixed, width: container.clientWidth, ...latest.current.options(colorsOf(container)) },
      latest.current.data,
      container,
    );
    plot.current = created;
    const resized = new ResizeObserver(() => created.setSize({ width: container.clientWidth, height: HEIGHT }));
    resized.observe(container);
    return () => {
      resized.disconnect();
      created.destroy();
      plot.current = null;
    };
    // The colors of a canvas do not follow the color scheme by themselves.
  }, [scheme]);
  useEffect(() => plot.current?.setData(data), [data[0], data[1]]);
  return box;
}

function colorsOf(container: HTMLElement): PlotColors {
  const style = getComputedStyle(container);
  const colorOf = (name: string) => style.getPropertyValue(`--chart-${name}`).trim();
  return { line: colorOf("line"), fill: colorOf("fill"), text: colorOf("text"), grid: colorOf("grid") };
}
