#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cost/graph_cost.h"
#include "eval/classifier_comparison.h"
#include "eval/layer_compare.h"
#include "eval/perplexity.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// What was measured of a quantized LLM against its original.
struct ReceiptEval {
  Divergence divergence;
  std::string protocol;                 ///< text, windows, arithmetic of both
  std::vector<LayerDifference> layers;  ///< worst first
  std::string layers_protocol;          ///< on what they were compared
};

/// What was measured of a quantized model of pictures against its original: a classifier, or a detector.
struct ReceiptPictures {
  std::string protocol;
  size_t pictures = 0;    ///< that were asked for
  size_t unreadable = 0;  ///< of them: passed over
  std::optional<ClassifierComparison> classes{};
  struct Boxes {
    AveragePrecision model, reference;
  };
  std::optional<Boxes> boxes{};
};

/// The end of a quantization: what went in, what came out, what it cost, what was lost.
struct Receipt {
  std::string model;
  std::string output;
  std::string recipe;
  std::string calibration;           ///< protocol; empty: none
  std::vector<std::string> remarks;  ///< warnings of calibration and resuming
  WeightSize before, after;
  QuantReport report;
  double seconds = 0;         ///< quantizing and writing
  size_t peak_memory = 0;     ///< resident, mapped pages of model files counted
  size_t peak_anonymous = 0;  ///< without them
  std::optional<ReceiptEval> eval;
  std::optional<ReceiptPictures> pictures{};
  std::string not_evaluated;  ///< why, when nothing was measured

  double million_parameters() const { return before.elements / 1e6; }
};

/// At most this many layers are listed as the worst.
inline constexpr size_t kWorstLayers = 10;

/// Rows "Top-1", "61.00 %, original 60.60 % (+0.40, 95 % interval +- 0.71)" of what was measured on pictures.
std::vector<std::pair<std::string, std::string>> picture_rows(const ReceiptPictures& pictures);
OrderedJson pictures_json(const ReceiptPictures& pictures);

OrderedJson receipt_json(const Receipt& receipt);
/// For a terminal: sizes, losses, worst layers, fallbacks.
std::string receipt_text(const Receipt& receipt);
/// A page that needs no other file.
std::string receipt_html(const Receipt& receipt);

/// Writes report.json and report.html into a folder, or beside a file as FILE.report.json and
/// FILE.report.html.
void write_receipt(const Receipt& receipt, const fs::path& output);

/// "41.2 dB", "exact", "-inf dB".
std::string decibel_text(double sqnr_db);
/// Numbers of one layer: sqnr_db (null where equal, "-inf" where it is -infinity), cosine, max_error (null
/// where they are no numbers).
OrderedJson closeness_json(const Closeness& closeness);

}  // namespace halftone
