#include "tune/layer_pages.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tune/html_page.h"
#include "tune/receipt.h"

namespace halftone {
namespace {

constexpr size_t kStrong = 3;  ///< bars that are drawn to be noticed

std::vector<LayerDifference> all_of(const ModelComparison& comparison) {
  std::vector<LayerDifference> all = comparison.layers;
  all.insert(all.end(), comparison.outputs.begin(), comparison.outputs.end());
  return all;
}

std::string kilobytes(double bytes) {
  return fmt::format("{:.1f}", bytes / 1e3);
}

}  // namespace

std::vector<Sensitivity> most_sensitive_first(std::vector<Sensitivity> rows) {
  const auto divergence = [](const Sensitivity& row) { return std::isnan(*row.kld) ? HUGE_VAL : *row.kld; };
  std::stable_sort(rows.begin(), rows.end(), [&](const Sensitivity& a, const Sensitivity& b) {
    if (a.kld && b.kld) return divergence(a) > divergence(b);
    return a.model_output.sqnr_db < b.model_output.sqnr_db;
  });
  return rows;
}

std::string sensitivity_html(const std::vector<Sensitivity>& rows, const std::string& model,
                             const std::string& recipe, const std::string& protocol) {
  const std::vector<Sensitivity> sorted = most_sensitive_first(rows);
  const bool logits = !rows.empty() && rows.front().kld;
  std::vector<HtmlBar> bars;
  for (const Sensitivity& row : rows) {
    const bool strong = std::any_of(
        sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(std::min(kStrong, sorted.size())),
        [&](const Sensitivity& worst) { return worst.name == row.name; });
    const double noise = std::pow(10, -row.model_output.sqnr_db / 10);
    bars.push_back({row.name, logits ? *row.kld : noise,
                    logits ? fmt::format("{:.2e}", *row.kld) : decibel_text(row.model_output.sqnr_db),
                    strong});
  }
  std::vector<std::string> head = {"layer", "weights", "SQNR of its output", "cosine",
                                   "SQNR of the model's output"};
  if (logits) head.insert(head.end(), {"KLD, nats a token", "top-1 %"});
  head.push_back("KB saved");
  std::vector<std::vector<std::string>> cells;
  for (const Sensitivity& row : sorted) {
    cells.push_back({row.name, row.weights, decibel_text(row.output.sqnr_db),
                     fmt::format("{:.6f}", row.output.cosine), decibel_text(row.model_output.sqnr_db)});
    if (logits) {
      cells.back().push_back(fmt::format("{:.3e}", *row.kld));
      cells.back().push_back(fmt::format("{:.2f}", *row.top1_agreement * 100));
    }
    cells.back().push_back(kilobytes(row.bytes_saved));
  }
  const std::string body = fmt::format(
      "<p>Each layer quantized alone by <b>{}</b>, rounded to nearest; all others as they were.</p>\n"
      "<p class=\"note\">{}</p>\n<h2>{}</h2>\n{}<h2>Most sensitive first</h2>\n{}",
      html_escaped(recipe), html_escaped(protocol),
      logits ? "KL divergence that each causes, in the model's order"
             : "Noise that each causes in the model's output",
      html_bars(bars, "sensitivity by layer"), html_table(head, cells));
  return html_page("Sensitivity of " + model, body);
}

std::string comparison_html(const ModelComparison& comparison, const std::string& title,
                            const std::string& protocol) {
  const std::vector<LayerDifference> layers = all_of(comparison), sorted = worst_first(layers);
  std::vector<HtmlBar> bars;
  for (const LayerDifference& layer : layers) {
    const bool strong = std::any_of(
        sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(std::min(kStrong, sorted.size())),
        [&](const LayerDifference& worst) { return worst.layer == layer.layer; });
    bars.push_back({layer.layer, std::isfinite(layer.closeness.sqnr_db) ? layer.closeness.sqnr_db : 0,
                    decibel_text(layer.closeness.sqnr_db), strong});
  }
  std::vector<std::vector<std::string>> cells;
  for (const LayerDifference& layer : sorted)
    cells.push_back(
        {layer.layer, layer.weights.empty() ? "floating" : layer.weights,
         decibel_text(layer.closeness.sqnr_db), fmt::format("{:.6f}", layer.closeness.cosine),
         layer.closeness.rescaled ? "rescaled" : fmt::format("{:.4g}", layer.closeness.max_error)});
  return html_page(title,
                   fmt::format("<p class=\"note\">{}</p>\n<h2>Signal to noise of each layer's output, in the "
                               "model's order</h2>\n{}<h2>Worst first</h2>\n{}",
                               html_escaped(protocol), html_bars(bars, "SQNR by layer"),
                               html_table({"layer", "weights", "SQNR", "cosine", "largest error"}, cells)));
}

}  // namespace halftone
