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
constexpr Part kParts[] = {
    {"weights", "#2f6f4f", &MemoryNeed::weights},         {"KV cache", "#c77d2e", &MemoryNeed::kv},
    {"activations", "#4a6fa5", &MemoryNeed::activations}, {"workspace", "#8a63a5", &MemoryNeed::workspace},
    {"runtime", "#7a828c", &MemoryNeed::runtime},         {"system", "#c3c9d0", &MemoryNeed::system}};

std::string gb(double bytes) {
  return fmt::format("{:.2f} GB", bytes / 1e9);
}

std::string ms(const std::optional<double>& seconds) {
  return seconds ? fmt::format("{:.2f}", *seconds * 1e3) : "unknown";
}

std::string memory_bars(const DevicePlan& plan) {
  constexpr double kLeft = 110, kWidth = 720, kRow = 24;
  double most = plan.available_bytes;
  for (const RecipePlan& recipe : plan.recipes) most = std::max(most, recipe.memory.total());
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
  svg += fmt::format(
      "<line x1=\"{0:.1f}\" y1=\"12\" x2=\"{0:.1f}\" y2=\"{1:.0f}\" stroke=\"#b3261e\" stroke-dasharray=\"4 "
      "3\"/>"
      "<text x=\"{0:.1f}\" y=\"10\" text-anchor=\"middle\">{2} there</text>\n",
      x(plan.available_bytes), height - 8, gb(plan.available_bytes));
  svg += "</svg>\n<p class=\"legend\">";
  for (const Part& part : kParts)
    svg += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", part.color, part.name);
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

/// A point for each node that works and moves bytes; nodes in the same place share one.
std::string points(const LogPlot& plot, const RecipePlan& recipe, const PhasePlan& phase, const char* color) {
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
               fmt::format("{} ({})", recipe.graph.nodes()[n].name, recipe.graph.nodes()[n].schema->name), 0};
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

std::string roofline(const DevicePlan& plan, const RecipePlan& recipe) {
  std::map<std::string, double> peaks;
  for (const Node& node : recipe.graph.nodes()) {
    const OpSite site = recipe.graph.site(node);
    if (site.is_alias()) continue;
    std::string key;
    if (const auto peak = peak_of(site, plan.device, &key)) peaks[key] = *peak;
  }
  if (peaks.empty()) return "<p>No peak of this device is known, so there is no roof to draw.</p>\n";
  double highest = 0;
  for (const auto& [key, peak] : peaks) highest = std::max(highest, peak);
  LogPlot plot;
  plot.x_low = 0.01, plot.x_high = 10000;
  plot.y_high = std::pow(10, std::ceil(std::log10(highest * 1.2)));
  plot.y_low = plot.y_high / 1e6;
  std::string svg = "<svg viewBox=\"0 0 920 430\" role=\"img\" aria-label=\"roofline\">\n" + grid(plot);
  for (const auto& [key, peak] : peaks) svg += roof(plot, achievable_bandwidth(plan.device), peak, key);
  std::string legend = "<p class=\"legend\">";
  if (!recipe.prefill.empty()) {
    svg += points(plot, recipe, recipe.prefill.front(), "#4a6fa5");
    legend += fmt::format("<span><i style=\"background:#4a6fa5\"></i>prompt of {} tokens</span>",
                          recipe.prefill.front().tokens);
  }
  if (!recipe.decode.empty()) {
    svg += points(plot, recipe, recipe.decode.front(), "#c77d2e");
    legend += fmt::format("<span><i style=\"background:#c77d2e\"></i>one token at depth {}</span>",
                          recipe.decode.front().tokens);
  }
  return svg + "</svg>\n" + legend +
         "A circle is one node (or several in one place); its area is its share of the time.</p>\n";
}

std::string recipe_table(const DevicePlan& plan) {
  std::string html =
      "<table><tr><th>recipe</th><th>fits</th><th>memory</th><th>bits a weight</th><th>largest context</th>"
      "<th>TTFT ms</th><th>TPOT ms</th><th>tokens/s</th><th>published loss</th></tr>\n";
  for (size_t i = 0; i < plan.recipes.size(); ++i) {
    const RecipePlan& recipe = plan.recipes[i];
    const auto ttft = recipe.ttft();
    const auto tpot = recipe.tpot();
    const std::string loss =
        recipe.recipe == "original" ? "0"
        : recipe.prior
            ? fmt::format("{}{:.1f} %", recipe.prior->upper_bound ? "&le; " : "", recipe.prior->loss_percent)
            : "unknown";
    html += fmt::format(
        "<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{:.2f}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td></tr>\n",
        static_cast<int>(i) == plan.recommended ? " class=\"best\""
        : recipe.fits                           ? ""
                                                : " class=\"no\"",
        html_escaped(recipe.recipe), recipe.fits ? "yes" : "no", gb(recipe.memory.total()),
        recipe.bits_per_weight, recipe.largest_context, ms(ttft), ms(tpot),
        tpot ? fmt::format("{:.1f}", plan.options.batch / *tpot) : "unknown", loss);
  }
  return html + "</table>\n";
}

}  // namespace

std::string plan_html(const DevicePlan& plan, const std::string& model) {
  const RecipePlan& shown = plan.recipes[static_cast<size_t>(std::max(plan.recommended, 0))];
  std::string html = plan.recommended >= 0
                         ? fmt::format("<p><b>Recommended: {}</b>: {}.</p>\n", html_escaped(shown.recipe),
                                       html_escaped(plan.reason))
                         : fmt::format("<p><b>No recommendation</b>: {}.</p>\n", html_escaped(plan.reason));
  html += "<h2>Memory</h2>\n" + memory_bars(plan);
  html += fmt::format("<h2>Roofline of {}</h2>\n", html_escaped(shown.recipe)) + roofline(plan, shown);
  html += "<h2>Recipes</h2>\n" + recipe_table(plan);
  html += fmt::format(
      "<p class=\"note\">Predicted, not measured: batch {}, memory read at {}/s. Published loss: perplexity "
      "of "
      "Llama-2-7B with affine codes; a prior, no measurement of this model.</p>\n",
      plan.options.batch, gb(achievable_bandwidth(plan.device)));
  return html_page(model + " on " + plan.device.title, html);
}

}  // namespace halftone
