#include "tune/plan_html.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tune/html_page.h"

namespace halftone {
namespace {

struct Part {
  const char* name;
  const char* color;
  double MemoryNeed::*bytes;
};
constexpr Part kParts[] = {{"weights", "#2f6f4f", &MemoryNeed::weights},
                           {"KV cache", "#c77d2e", &MemoryNeed::kv},
                           {"activations", "#4a6fa5", &MemoryNeed::activations},
                           {"workspace", "#8a63a5", &MemoryNeed::workspace},
                           {"runtime", "#7a828c", &MemoryNeed::runtime},
                           {"loading", "#b65c7b", &MemoryNeed::loading},
                           {"system", "#c3c9d0", &MemoryNeed::system}};

std::string gb(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.1f} MB", bytes / 1e6) : fmt::format("{:.2f} GB", bytes / 1e9);
}

/// Escaped text in which `this` is set as code.
std::string with_code(const std::string& text) {
  std::string html;
  bool open = false;
  for (char c : html_escaped(text)) {
    if (c != '`') {
      html += c;
      continue;
    }
    html += open ? "</code>" : "<code>";
    open = !open;
  }
  return open ? html + "</code>" : html;
}

std::string ms(const std::optional<double>& seconds) {
  return seconds ? fmt::format("{:.2f}", *seconds * 1e3) : "unknown";
}

std::string memory_bars(const DevicePlan& plan) {
  // Where there is far more memory than is needed, the bars have the width and not the memory.
  constexpr double kLeft = 150, kWidth = 680, kRow = 24, kFarMore = 6;
  double most = 0;
  for (const RecipePlan& recipe : plan.recipes) most = std::max(most, recipe.memory.total());
  const bool limit_in_sight = plan.available_bytes <= kFarMore * most;
  most = limit_in_sight ? std::max(most, plan.available_bytes) : 1.2 * most;
  const auto x = [&](double bytes) { return kLeft + bytes / most * kWidth; };
  const double height = kRow * static_cast<double>(plan.recipes.size()) + 30;
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 920 {:.0f}\" role=\"img\" aria-label=\"memory\">\n", height);
  double y = 18;
  for (const RecipePlan& recipe : plan.recipes) {
    svg += fmt::format("<text x=\"{}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text>\n", kLeft - 8, y + 13,
                       html_escaped(recipe.recipe));
    double begin = 0;
    for (const Part& part : kParts) {
      const double bytes = recipe.memory.*part.bytes;
      svg += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"16\" fill=\"{}\"><title>{}: "
          "{}</title></rect>\n",
          x(begin), y, x(bytes) - kLeft, part.color, part.name, gb(bytes));
      begin += bytes;
    }
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\">{}</text>\n", x(begin) + 5, y + 13, gb(begin));
    y += kRow;
  }
  if (limit_in_sight)
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"12\" x2=\"{0:.1f}\" y2=\"{1:.0f}\" stroke=\"#b3261e\" "
        "stroke-dasharray=\"4 "
        "3\"/>"
        "<text x=\"{0:.1f}\" y=\"10\" text-anchor=\"middle\">{2} there</text>\n",
        x(plan.available_bytes), height - 8, gb(plan.available_bytes));
  svg += "</svg>\n<p class=\"legend\">";
  for (const Part& part : kParts)
    svg += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", part.color, part.name);
  if (!limit_in_sight) svg += gb(plan.available_bytes) + " are there, far beyond the scale.";
  return svg + "</p>\n";
}

/// Axes of a plot whose both scales are logarithmic.
struct LogPlot {
  double left = 70, top = 20, width = 800, height = 360;
  double x_low, x_high, y_low, y_high;

  double x(double value) const { return left + width * std::log(value / x_low) / std::log(x_high / x_low); }
  double y(double value) const {
    return top + height - height * std::log(value / y_low) / std::log(y_high / y_low);
  }
};

std::string grid(const LogPlot& plot) {
  std::string svg;
  for (double v = plot.x_low; v <= plot.x_high * 1.001; v *= 10)
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#e4e8ec\"/>"
        "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:g}</text>\n",
        plot.x(v), plot.top, plot.top + plot.height, plot.top + plot.height + 16, v);
  for (double v = plot.y_low; v <= plot.y_high * 1.001; v *= 10)
    svg += fmt::format(
        "<line x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\" stroke=\"#e4e8ec\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:g}</text>\n",
        plot.left, plot.y(v), plot.left + plot.width, plot.left - 6, plot.y(v) + 4, v / 1e12);
  return svg +
         fmt::format(
             "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">operations per byte</text>"
             "<text x=\"14\" y=\"{}\" transform=\"rotate(-90 14 {})\" text-anchor=\"middle\">T operations "
             "per second</text>\n",
             plot.left + plot.width / 2, plot.top + plot.height + 36, plot.top + plot.height / 2,
             plot.top + plot.height / 2);
}

std::string roof(const LogPlot& plot, double bandwidth, double peak, const std::string& label) {
  const double ridge = std::clamp(peak / bandwidth, plot.x_low, plot.x_high);
  return fmt::format(
      "<polyline fill=\"none\" stroke=\"#1b1f24\" stroke-width=\"1.5\" points=\"{:.1f},{:.1f} {:.1f},{:.1f} "
      "{:.1f},{:.1f}\"/><text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}: {:.4g} T/s</text>\n",
      plot.x(plot.x_low), plot.y(std::max(bandwidth * plot.x_low, plot.y_low)), plot.x(ridge),
      plot.y(std::min(peak, bandwidth * ridge)), plot.x(plot.x_high), plot.y(peak), plot.x(plot.x_high) - 4,
      plot.y(peak) - 5, html_escaped(label), peak / 1e12);
}

/// What a cache gives, dashed, up to the highest peak.
std::string cache_roof(const LogPlot& plot, double bandwidth, double peak) {
  const double begin = std::max(plot.x_low, plot.y_low / bandwidth),
               end = std::min(peak / bandwidth, plot.x_high);
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#1b1f24\" stroke-dasharray=\"4 "
      "3\"/>\n",
      plot.x(begin), plot.y(bandwidth * begin), plot.x(end), plot.y(bandwidth * end));
}

/// A point for each node that works and moves bytes; nodes in the same place share one.
std::string points(const LogPlot& plot, const Graph& graph, const PhasePlan& phase, const char* color) {
  struct Place {
    double intensity, rate, seconds = 0;
    std::string first;
    int count = 0;
  };
  std::map<std::pair<int, int>, Place> places;
  for (size_t n = 0; n < phase.run.nodes.size(); ++n) {
    const NodeTime& node = phase.run.nodes[n];
    if (node.flops <= 0 || node.bytes <= 0 || node.seconds <= 0) continue;
    const double intensity = std::clamp(node.flops / node.bytes, plot.x_low, plot.x_high);
    const double rate = std::clamp(node.flops / node.seconds, plot.y_low, plot.y_high);
    Place& place = places[{static_cast<int>(plot.x(intensity) / 4), static_cast<int>(plot.y(rate) / 4)}];
    if (place.count == 0)
      place = {intensity, rate, 0,
               fmt::format("{} ({})", graph.nodes()[n].name, graph.nodes()[n].schema->name), 0};
    place.seconds += node.seconds;
    ++place.count;
  }
  std::string svg;
  for (const auto& [key, place] : places) {
    const double share = place.seconds / phase.run.seconds;
    const std::string more = place.count > 1 ? fmt::format(" and {} more", place.count - 1) : "";
    svg += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\" fill-opacity=\"0.6\"><title>{}{}: "
        "{:.2f} "
        "op/byte, {:.1f} % of the time</title></circle>\n",
        plot.x(place.intensity), plot.y(place.rate), 3 + 12 * std::sqrt(share), color,
        html_escaped(place.first), more, place.intensity, share * 100);
  }
  return svg;
}

/// Adds the peaks that a graph's nodes are bound by.
void add_peaks(std::map<std::string, double>& peaks, const Graph& graph, const Device& device) {
  for (const Node& node : graph.nodes()) {
    const OpSite site = graph.site(node);
    if (site.is_alias()) continue;
    std::string key;
    if (const auto peak = peak_of(site, device, &key)) peaks[key] = *peak;
  }
}

std::string roofline(const DevicePlan& plan, const RecipePlan& recipe) {
  std::map<std::string, double> peaks;
  add_peaks(peaks, recipe.graph, plan.device);
  if (recipe.vision) add_peaks(peaks, *recipe.vision, plan.device);
  if (peaks.empty()) return "<p>No peak of this device is known, so there is no roof to draw.</p>\n";
  double highest = 0;
  for (const auto& [key, peak] : peaks) highest = std::max(highest, peak);
  LogPlot plot;
  plot.x_low = 0.01, plot.x_high = 10000;
  plot.y_high = std::pow(10, std::ceil(std::log10(highest * 1.2)));
  plot.y_low = plot.y_high / 1e6;
  std::string svg = "<svg viewBox=\"0 0 920 430\" role=\"img\" aria-label=\"roofline\">\n" + grid(plot);
  for (const auto& [key, peak] : peaks) svg += roof(plot, achievable_bandwidth(plan.device), peak, key);
  const auto& levels = plan.device.bandwidth_by_size;
  std::string caches;
  for (size_t i = 0; i + 1 < levels.size(); ++i) {
    svg += cache_roof(plot, levels[i].second, highest);
    caches += (caches.empty() ? "" : " and ") + gb(levels[i].first);
  }
  std::string legend = "<p class=\"legend\">";
  const auto add = [&](const Graph& graph, const PhasePlan& phase, const char* color,
                       const std::string& name) {
    svg += points(plot, graph, phase, color);
    legend += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", color, name);
  };
  if (recipe.image)
    add(recipe.vision ? *recipe.vision : recipe.graph, *recipe.image, "#6b4f9a",
        recipe.image->tokens == 1 ? "one picture" : fmt::format("{} pictures", recipe.image->tokens));
  if (!recipe.prefill.empty())
    add(recipe.graph, recipe.prefill.front(), "#4a6fa5",
        fmt::format("prompt of {} tokens", recipe.prefill.front().tokens));
  if (!recipe.decode.empty())
    add(recipe.graph, recipe.decode.front(), "#c77d2e",
        fmt::format("one token at depth {}", recipe.decode.front().tokens));
  return svg + "</svg>\n" + legend +
         "A circle is one node (or several in one place); its area is its share of the time." +
         (caches.empty() ? "" : " Dashed: what " + caches + " are read at, out of the caches.") + "</p>\n";
}

std::string loss_text(const RecipePlan& recipe) {
  if (recipe.recipe == "original") return "0";
  if (recipe.measured) return fmt::format("{:.2f} % measured", recipe.measured->loss_percent);
  if (!recipe.prior) return "unknown";
  return fmt::format("{}{:.1f} % published", recipe.prior->upper_bound ? "&le; " : "",
                     recipe.prior->loss_percent);
}

std::string recipe_table(const DevicePlan& plan, bool pictures) {
  std::string html = "<table><tr><th>recipe</th><th>fits</th><th>memory</th><th>bits a weight</th>";
  html += pictures ? "<th>largest batch</th><th>ms</th><th>pictures/s</th>"
                   : "<th>largest context</th><th>TTFT ms</th><th>TPOT ms</th><th>tokens/s</th>";
  html += "<th>loss</th></tr>\n";
  for (size_t i = 0; i < plan.recipes.size(); ++i) {
    const RecipePlan& recipe = plan.recipes[i];
    std::vector<std::string> cells = {
        html_escaped(recipe.recipe), recipe.fits ? "yes" : "no", gb(recipe.memory.total()),
        fmt::format("{:.2f}", recipe.bits_per_weight),
        fmt::format("{}", pictures ? recipe.largest_batch : recipe.largest_context)};
    if (!pictures) cells.push_back(ms(recipe.ttft()));
    const auto latency = recipe.latency();
    cells.push_back(ms(latency));
    cells.push_back(latency ? fmt::format("{:.1f}", plan.options.batch / *latency) : "unknown");
    cells.push_back(loss_text(recipe));
    html += static_cast<int>(i) == plan.recommended ? "<tr class=\"best\">"
            : recipe.fits                           ? "<tr>"
                                                    : "<tr class=\"no\">";
    for (const std::string& cell : cells) html += "<td>" + cell + "</td>";
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

}  // namespace

std::string plan_html(const DevicePlan& plan, const std::string& model) {
  const RecipePlan& shown = plan.recipes[static_cast<size_t>(std::max(plan.recommended, 0))];
  const bool pictures = !keeps_state(shown.graph);
  std::string html = plan.recommended >= 0
                         ? fmt::format("<p><b>Recommended: {}</b>: {}.</p>\n", html_escaped(shown.recipe),
                                       with_code(plan.reason))
                         : fmt::format("<p><b>No recommendation</b>: {}.</p>\n", with_code(plan.reason));
  html += "<h2>Memory</h2>\n" + memory_bars(plan);
  html += fmt::format("<h2>Roofline of {}</h2>\n", html_escaped(shown.recipe)) + roofline(plan, shown);
  html += "<h2>Recipes</h2>\n" + recipe_table(plan, pictures);
  html += fmt::format(
      "<p class=\"note\">Times and memory are predicted, not measured: batch {}, memory read at {}/s.",
      plan.options.batch, gb(achievable_bandwidth(plan.device)));
  if (!pictures)
    html +=
        " Published loss: perplexity of Llama-2-7B with affine codes; a prior, no measurement of this model.";
  html += "</p>\n";
  return html_page(model + " on " + plan.device.title, html);
}

}  // namespace halftone
