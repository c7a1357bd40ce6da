#include <algorithm>
#include <cmath>

#include "tune/html_page.h"
#include "tune/receipt.h"

namespace halftone {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string size_text(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.2f} MB", bytes / 1e6) : fmt::format("{:.2f} GB", bytes / 1e9);
}

std::string summary(const Receipt& receipt) {
  Rows rows = {{"Size of the weights",
                fmt::format("{} -> {} ({:.2f} times smaller)", size_text(receipt.before.bytes),
                            size_text(receipt.after.bytes), receipt.before.bytes / receipt.after.bytes)},
               {"Bits a weight, scales counted", fmt::format("{:.2f} in all, {:.2f} where quantized",
                                                             receipt.after.bytes * 8 / receipt.after.elements,
                                                             receipt.report.bits_per_weight)},
               {"Time", fmt::format("{:.1f} s, {:.3f} s a million parameters", receipt.seconds,
                                    receipt.seconds / receipt.million_parameters())},
               {"Peak memory", fmt::format("{} resident, {} of it anonymous: {:.2f} MB a million parameters",
                                           size_text(static_cast<double>(receipt.peak_memory)),
                                           size_text(static_cast<double>(receipt.peak_anonymous)),
                                           static_cast<double>(receipt.peak_anonymous) / 1e6 /
                                               receipt.million_parameters())},
               {"Calibration", receipt.calibration.empty() ? "none" : receipt.calibration}};
  if (receipt.eval) {
    const Divergence& d = receipt.eval->divergence;
    rows.push_back({"Perplexity", fmt::format("{:.4f}, original {:.4f} ({:+.2f} %)", d.model.perplexity,
                                              d.reference.perplexity,
                                              (d.model.perplexity / d.reference.perplexity - 1) * 100)});
    rows.push_back({"KL divergence from the original",
                    fmt::format("mean {:.6f}, 99th percentile {:.6f} nats a token", d.kld_mean, d.kld_p99)});
    rows.push_back(
        {"Top-1 agreement", fmt::format("{:.2f} % of {} tokens", d.top1_agreement * 100, d.tokens)});
  } else if (receipt.pictures) {
    for (const auto& [name, figures] : picture_rows(*receipt.pictures)) rows.push_back({name, figures});
  } else {
    rows.push_back({"Not evaluated", receipt.not_evaluated});
  }
  std::string html = html_table({"", receipt.recipe}, rows);
  if (receipt.pictures)
    html += fmt::format("<p class=\"note\">{}</p>\n", html_escaped(receipt.pictures->protocol));
  if (receipt.eval) html += fmt::format("<p class=\"note\">{}</p>\n", html_escaped(receipt.eval->protocol));
  return html;
}

std::string worst_layers(const ReceiptEval& eval) {
  std::vector<HtmlBar> bars;
  for (size_t i = 0; i < std::min(eval.layers.size(), kWorstLayers); ++i) {
    const LayerDifference& layer = eval.layers[i];
    bars.push_back({layer.layer, std::isfinite(layer.closeness.sqnr_db) ? layer.closeness.sqnr_db : 0,
                    fmt::format("{}, cosine {:.5f}, {}", decibel_text(layer.closeness.sqnr_db),
                                layer.closeness.cosine, layer.weights.empty() ? "floating" : layer.weights),
                    i == 0});
  }
  return fmt::format("<h2>Worst layers</h2>\n<p class=\"note\">Signal to noise of their outputs, {}.</p>\n{}",
                     html_escaped(eval.layers_protocol), html_bars(bars, "worst layers by SQNR"));
}

std::string notes(const Receipt& receipt) {
  std::string html;
  for (const bool fallback : {true, false}) {
    Rows rows;
    for (const LayerNote& note : receipt.report.notes)
      if (note.fallback == fallback) rows.push_back({note.layer, note.algorithm, note.text});
    if (!rows.empty())
      html += fmt::format("<h2>{}</h2>\n", fallback ? "Fallbacks" : "What was done") +
              html_table({"layer", "algorithm", "note"}, rows);
  }
  return html;
}

std::string layers(const Receipt& receipt) {
  Rows rows;
  for (const LayerReport& layer : receipt.report.layers)
    rows.push_back({layer.layer, layer.shape.str(),
                    layer.encoding.empty() ? "kept: " + layer.kept : layer.encoding, layer.activations,
                    size_text(layer.bytes_after)});
  return "<h2>Layers</h2>\n" + html_table({"layer", "shape", "weights", "activations", "size"}, rows);
}

}  // namespace

std::string receipt_html(const Receipt& receipt) {
  std::string body = summary(receipt);
  for (const std::string& remark : receipt.remarks)
    body += fmt::format("<p><b>Note:</b> {}</p>\n", html_escaped(remark));
  if (receipt.eval && !receipt.eval->layers.empty()) body += worst_layers(*receipt.eval);
  return html_page(receipt.model + " by " + receipt.recipe, body + notes(receipt) + layers(receipt));
}

}  // namespace halftone
