#include "tune/receipt.h"

#include <cmath>
#include <map>

#include "base/file.h"
#include "base/write_file.h"

namespace halftone {
namespace {

double bits_per_weight(const WeightSize& size) {
  return size.bytes * 8 / size.elements;
}

double loss_percent(const Divergence& divergence) {
  return (divergence.model.perplexity / divergence.reference.perplexity - 1) * 100;
}

OrderedJson layer_json(const LayerReport& layer) {
  OrderedJson entry;
  entry["layer"] = layer.layer;
  entry["weight"] = layer.weight;
  entry["encoding"] = layer.encoding;
  entry["kept"] = layer.kept;
  entry["activations"] = layer.activations;
  entry["bytes_before"] = layer.bytes_before;
  entry["bytes_after"] = layer.bytes_after;
  return entry;
}

OrderedJson eval_json(const ReceiptEval& eval) {
  OrderedJson json;
  json["perplexity"] = eval.divergence.model.perplexity;
  json["reference_perplexity"] = eval.divergence.reference.perplexity;
  json["loss_percent"] = loss_percent(eval.divergence);
  json["kld_mean"] = eval.divergence.kld_mean;
  json["kld_p99"] = eval.divergence.kld_p99;
  json["top1_agreement"] = eval.divergence.top1_agreement;
  json["tokens"] = eval.divergence.tokens;
  json["protocol"] = eval.protocol;
  json["worst_layers"] = OrderedJson::array();
  for (size_t i = 0; i < std::min(eval.layers.size(), kWorstLayers); ++i) {
    OrderedJson layer = closeness_json(eval.layers[i].closeness);
    layer["layer"] = eval.layers[i].layer;
    layer["weights"] = eval.layers[i].weights;
    json["worst_layers"].push_back(std::move(layer));
  }
  json["worst_layers_protocol"] = eval.layers_protocol;
  return json;
}

/// Notes of fallbacks, each once with the number of layers.
std::map<std::string, int> fallbacks(const Receipt& receipt) {
  std::map<std::string, int> counts;
  for (const LayerNote& note : receipt.report.notes)
    if (note.fallback) ++counts[note.layer + ": " + note.algorithm + ": " + note.text];
  return counts;
}

std::string megabytes(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.2f} MB", bytes / 1e6) : fmt::format("{:.2f} GB", bytes / 1e9);
}

}  // namespace

std::string decibel_text(double sqnr_db) {
  return sqnr_db == HUGE_VAL ? "exact" : fmt::format("{:.1f} dB", sqnr_db);
}

OrderedJson closeness_json(const Closeness& closeness) {
  OrderedJson json;
  if (std::isfinite(closeness.sqnr_db))
    json["sqnr_db"] = closeness.sqnr_db;
  else
    json["sqnr_db"] = closeness.sqnr_db > 0 ? OrderedJson() : OrderedJson("-inf");
  json["cosine"] = closeness.cosine;
  json["max_error"] = closeness.rescaled ? OrderedJson() : OrderedJson(closeness.max_error);
  if (closeness.rescaled) json["rescaled"] = true;
  return json;
}

OrderedJson receipt_json(const Receipt& receipt) {
  OrderedJson json;
  json["model"] = receipt.model;
  json["output"] = receipt.output;
  json["recipe"] = receipt.recipe;
  json["calibration"] = receipt.calibration;
  json["bytes_before"] = receipt.before.bytes;
  json["bytes_after"] = receipt.after.bytes;
  json["parameters"] = receipt.before.elements;
  json["bits_per_weight"] = bits_per_weight(receipt.after);
  json["bits_per_quantized_weight"] = receipt.report.bits_per_weight;
  json["seconds"] = receipt.seconds;
  json["seconds_per_million_parameters"] = receipt.seconds / receipt.million_parameters();
  json["peak_memory_bytes"] = receipt.peak_memory;
  json["peak_anonymous_bytes"] = receipt.peak_anonymous;
  json["peak_anonymous_bytes_per_million_parameters"] =
      static_cast<double>(receipt.peak_anonymous) / receipt.million_parameters();
  json["evaluation"] = receipt.eval       ? eval_json(*receipt.eval)
                       : receipt.pictures ? pictures_json(*receipt.pictures)
                                          : OrderedJson();
  json["not_evaluated"] = receipt.not_evaluated;
  json["remarks"] = receipt.remarks;
  json["notes"] = OrderedJson::array();
  for (const LayerNote& note : receipt.report.notes) {
    OrderedJson entry;
    entry["layer"] = note.layer;
    entry["algorithm"] = note.algorithm;
    entry["text"] = note.text;
    entry["fallback"] = note.fallback;
    json["notes"].push_back(std::move(entry));
  }
  json["layers"] = OrderedJson::array();
  for (const LayerReport& layer : receipt.report.layers) json["layers"].push_back(layer_json(layer));
  return json;
}

std::string receipt_text(const Receipt& receipt) {
  std::string text = fmt::format(
      "{}: {} -> {} ({:.2f} bits a weight in all, {:.2f} where quantized)\n"
      "{:.1f} s ({:.3f} s a million parameters), peak memory {} resident, {} of it anonymous ({:.2f} MB a "
      "million "
      "parameters)\n",
      receipt.output, megabytes(receipt.before.bytes), megabytes(receipt.after.bytes),
      bits_per_weight(receipt.after), receipt.report.bits_per_weight, receipt.seconds,
      receipt.seconds / receipt.million_parameters(), megabytes(static_cast<double>(receipt.peak_memory)),
      megabytes(static_cast<double>(receipt.peak_anonymous)),
      static_cast<double>(receipt.peak_anonymous) / 1e6 / receipt.million_parameters());
  if (!receipt.calibration.empty()) text += fmt::format("Calibrated on {}\n", receipt.calibration);
  for (const std::string& remark : receipt.remarks) text += fmt::format("Note: {}\n", remark);
  for (const auto& [fallback, count] : fallbacks(receipt)) text += fmt::format("Fallback: {}\n", fallback);
  if (receipt.pictures) {
    for (const auto& [name, figures] : picture_rows(*receipt.pictures))
      text += fmt::format("{}: {}\n", name, figures);
    return text + fmt::format("Protocol: {}\n", receipt.pictures->protocol);
  }
  if (!receipt.eval) return text + fmt::format("Not evaluated: {}\n", receipt.not_evaluated);

  const Divergence& d = receipt.eval->divergence;
  text += fmt::format(
      "Perplexity {:.4f}, original {:.4f} ({:+.2f} %); KLD {:.6f}; top-1 agreement {:.2f} %\n",
      d.model.perplexity, d.reference.perplexity, loss_percent(d), d.kld_mean, d.top1_agreement * 100);
  text += fmt::format("Protocol: {}\n", receipt.eval->protocol);
  if (!receipt.eval->layers.empty()) text += "Worst layers (SQNR, cosine of their outputs):\n";
  for (size_t i = 0; i < std::min(receipt.eval->layers.size(), kWorstLayers); ++i) {
    const LayerDifference& layer = receipt.eval->layers[i];
    text += fmt::format("  {:>9}  {:.6f}  {}  {}\n", decibel_text(layer.closeness.sqnr_db),
                        layer.closeness.cosine, layer.layer,
                        layer.weights + (layer.closeness.rescaled ? ", up to the channels' factors" : ""));
  }
  return text;
}

void write_receipt(const Receipt& receipt, const fs::path& output) {
  auto write = [&](const std::string& name, const std::string& content) {
    write_file(fs::is_directory(output) ? output / name : fs::path(output.string() + "." + name), content);
  };
  write("report.json", receipt_json(receipt).dump(1) + "\n");
  write("report.html", receipt_html(receipt));
}

}  // namespace halftone
