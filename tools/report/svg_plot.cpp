#include "tools/report/svg_plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>

namespace swarm::tools {
namespace {

constexpr double width = 800, height = 450;
constexpr double left = 70, right = 20, top = 40, bottom = 55;
constexpr size_t colours = 6;
constexpr double legend_line = 18;
constexpr int ticks_x = 8, ticks_y = 6;

struct range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void make_proper() {
    if (!(low <= high)) low = 0, high = 1;
    if (low == high) {
      const double margin = low == 0 ? 1 : std::abs(low) / 10;
      low -= margin;
      high += margin;
    }
  }
};

bool finite(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return result;
}

std::string pixel(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", value);
  return buffer;
}

std::string tick_text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", value);
  return buffer;
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text,
                    const std::string& more = "") {
  return "<text x=\"" + pixel(x) + "\" y=\"" + pixel(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + escaped(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1=\"" + pixel(x1) + "\" y1=\"" + pixel(y1) + "\" x2=\"" + pixel(x2) + "\" y2=\"" +
         pixel(y2) + "\" class=\"" + style + "\"/>\n";
}

std::vector<std::pair<double, double>> thinned(
    const std::vector<std::pair<double, double>>& points) {
  if (points.size() <= plot_points_max) return points;
  const size_t buckets = plot_points_max / 2;
  std::vector<std::pair<double, double>> result;
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    const auto begin = points.begin() + static_cast<ptrdiff_t>(bucket * points.size() / buckets);
    const auto end =
        points.begin() + static_cast<ptrdiff_t>((bucket + 1) * points.size() / buckets);
    const auto broken = std::find_if(begin, end, [](const auto& point) { return !finite(point); });
    if (broken != end) {
      result.push_back(*broken);
      continue;
    }
    auto lower = [](const auto& a, const auto& b) { return a.second < b.second; };
    auto [low, high] = std::minmax_element(begin, end, lower);
    if (high < low) std::swap(low, high);
    result.push_back(*low);
    if (high != low) result.push_back(*high);
  }
  return result;
}

std::string header(const plot& drawing) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 450\" width=\"800\" "
         "height=\"450\" role=\"img\">\n<title>" +
         escaped(drawing.title) +
         "</title>\n"
         "<style>\n"
         "svg { background: #ffffff; font: 13px sans-serif; color: #1f2328; }\n"
         "text { fill: currentColor; }\n"
         ".grid { stroke: currentColor; stroke-opacity: .15; }\n"
         ".axis { stroke: currentColor; }\n"
         ".event { stroke: currentColor; stroke-opacity: .5; stroke-dasharray: 2 3; }\n"
         ".series { fill: none; stroke-width: 1.8; stroke-linejoin: round; }\n"
         ".dashed { stroke-dasharray: 7 4; }\n"
         ".c0 { stroke: #0969da; } .c1 { stroke: #cf222e; } .c2 { stroke: #1a7f37; }\n"
         ".c3 { stroke: #8250df; } .c4 { stroke: #bc4c00; } .c5 { stroke: #6e7781; }\n"
         "@media (prefers-color-scheme: dark) {\n"
         "svg { background: #0d1117; color: #e6edf3; }\n"
         ".c0 { stroke: #58a6ff; } .c1 { stroke: #ff7b72; } .c2 { stroke: #56d364; }\n"
         ".c3 { stroke: #d2a8ff; } .c4 { stroke: #ffa657; } .c5 { stroke: #8b949e; }\n"
         "}\n</style>\n";
}

/// From data to pixels.
struct frame {
  range x, y;
  double at_x(double value) const {
    return left + (value - x.low) / (x.high - x.low) * (width - left - right);
  }
  double at_y(double value) const {
    return height - bottom - (value - y.low) / (y.high - y.low) * (height - top - bottom);
  }
};

frame frame_of(const plot& drawing) {
  frame result;
  for (const auto& series : drawing.series) {
    for (const auto& point : series.points) {
      if (!finite(point)) continue;
      result.x.include(point.first);
      result.y.include(point.second);
    }
  }
  for (const auto& event : drawing.events) {
    if (std::isfinite(event.x)) result.x.include(event.x);
  }
  result.x.make_proper();
  result.y.make_proper();
  // Rounded outwards to whole ticks, so that no line runs along the frame.
  const auto ticks = axis_ticks(result.y.low, result.y.high, ticks_y);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : result.y.high - result.y.low;
  result.y = {std::floor(result.y.low / step) * step, std::ceil(result.y.high / step) * step};
  return result;
}

std::string axes(const plot& drawing, const frame& area) {
  const double base = height - bottom;
  std::string svg;
  for (double x : axis_ticks(area.x.low, area.x.high, ticks_x)) {
    svg += line(area.at_x(x), top, area.at_x(x), base, "grid");
    svg += text_at(area.at_x(x), base + 18, "middle", tick_text(x));
  }
  for (double y : axis_ticks(area.y.low, area.y.high, ticks_y)) {
    svg += line(left, area.at_y(y), width - right, area.at_y(y), "grid");
    svg += text_at(left - 8, area.at_y(y) + 4, "end", tick_text(y));
  }
  svg += line(left, base, width - right, base, "axis") + line(left, top, left, base, "axis");
  svg += text_at(width / 2, 22, "middle", drawing.title, " font-weight=\"bold\"");
  svg += text_at((left + width - right) / 2, height - 14, "middle", drawing.x_label);
  svg += text_at(18, (top + base) / 2, "middle", drawing.y_label,
                 " transform=\"rotate(-90 18 " + pixel((top + base) / 2) + ")\"");
  return svg;
}

std::string curve(const plot_series& series, size_t number, const frame& area) {
  std::string path;
  bool drawing = false;
  for (const auto& point : thinned(series.points)) {
    if (!finite(point)) {
      drawing = false;
      continue;
    }
    path += (drawing ? "L" : "M") + pixel(area.at_x(point.first)) + " " +
            pixel(area.at_y(point.second));
    drawing = true;
  }
  return "<path class=\"series c" + std::to_string(number % colours) +
         (series.dashed ? " dashed" : "") + "\" d=\"" + path + "\"/>\n";
}

std::string legend(const plot& drawing) {
  std::string svg;
  size_t longest = 0;
  for (const auto& series : drawing.series)
    longest = std::max(longest, series.name.size());
  const double x = std::max(left + 10, width - right - 40 - 7.2 * static_cast<double>(longest));
  for (size_t i = 0; i < drawing.series.size(); ++i) {
    const double y = top + 14 + legend_line * static_cast<double>(i);
    const auto& series = drawing.series[i];
    svg += line(x, y - 4, x + 24, y - 4,
                "series c" + std::to_string(i % colours) + (series.dashed ? " dashed" : ""));
    svg += text_at(x + 30, y, "start", series.name);
  }
  return svg;
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  std::vector<double> result;
  const double rough = (high - low) / std::max(count, 1);
  if (!(rough > 0) || !std::isfinite(rough)) return {low};
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double ratio = rough / power;
  const double step = power * (ratio > 5 ? 10 : ratio > 2 ? 5 : ratio > 1 ? 2 : 1);
  const double first = std::ceil(low / step - 1e-9);
  for (double i = first; i * step <= high + step * 1e-9; ++i)
    result.push_back(i * step + 0.0);  // never -0
  return result;
}

std::string to_svg(const plot& drawing) {
  const frame area = frame_of(drawing);
  std::string svg = header(drawing) + axes(drawing, area);
  for (size_t i = 0; i < drawing.series.size(); ++i)
    svg += curve(drawing.series[i], i, area);
  for (const auto& event : drawing.events) {
    if (!std::isfinite(event.x)) continue;
    const double x = area.at_x(event.x);
    svg += line(x, top, x, height - bottom, "event");
    // Loss curves fall: the top is where the room is.
    svg += text_at(
        x + 11, top + 4, "end", event.label,
        " font-size=\"11\" transform=\"rotate(-90 " + pixel(x + 11) + " " + pixel(top + 4) + ")\"");
  }
  return svg + legend(drawing) + "</svg>\n";
}

}  // namespace swarm::tools
