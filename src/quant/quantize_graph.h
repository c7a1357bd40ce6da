#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "quant/calib/calibration.h"
#include "quant/recipe.h"

namespace halftone {

/// What became of one layer.
struct LayerReport {
  std::string layer;
  std::string weight;  ///< name of the constant
  Shape shape;
  std::string encoding;     ///< "int4 g32"; empty when the weights were kept
  std::string kept;         ///< why they were kept; empty when they were not
  std::string activations;  ///< "int8 per-token dynamic"; empty: none on this use
  double bytes_before = 0;  ///< of the weights; 0 both for a layer that shares those of an earlier one
  double bytes_after = 0;
};

struct QuantReport {
  std::string recipe;
  std::vector<LayerReport> layers;     ///< in the graph's order
  std::vector<LayerNote> notes;        ///< what the algorithms did, in the order in which they did it
  std::vector<std::string> unmatched;  ///< patterns of the recipe that match no layer
  double bytes_before = 0;             ///< of all constants of the graph
  double bytes_after = 0;
  double quantized_elements = 0;  ///< elements of quantized weights, and their stored bits on average
  double bits_per_weight = 0;
};

/// A block that is done: its graph with codes, and what was said of it.
struct FinishedBlock {
  Graph graph;
  std::vector<LayerNote> notes;
};

/// Keeps finished blocks, so that their codes leave the memory and an interrupted run can go on.
class BlockStore {
 public:
  virtual ~BlockStore() = default;
  /// The block as save() was given it, or nothing.
  virtual std::optional<FinishedBlock> load(int index, const std::string& name) = 0;
  /// Returns the same block, its constants read from where they now lie.
  virtual FinishedBlock save(int index, const std::string& name, FinishedBlock block) = 0;
};

/// By the name of a layer: what each channel of its output is divided by (static_activations: even_channels).
using EvenFactors = std::map<std::string, std::vector<float>>;

/// What quantizing needs beside graph and recipe. Recipes without calibration need none of it.
struct QuantizeOptions {
  const CalibrationData* data = nullptr;
  ThreadPool* threads = nullptr;     ///< required with data
  const Backend* backend = nullptr;  ///< runs the blocks; null: scalar references
  size_t memory = size_t{2} << 30;   ///< bytes of activations kept in memory; more go to a temporary file
  fs::path spill_folder{};           ///< of that file; empty: the system's
  uint64_t seed = 1;
  BlockStore* store = nullptr;
  /// Blocks [first, second) only; the others stay as they are.
  std::optional<std::pair<int, int>> blocks{};
  /// Sets encodings alone, rounded to nearest, whatever the algorithms: for planning, where sizes count.
  bool encodings_only = false;
  /// Taken in the place of those that even_channels would find in the data; null: those.
  const EvenFactors* even_factors = nullptr;
  /// Called whenever static activations were given scales, before biases are corrected for them: puts others
  /// in their place. None: they stay.
  std::function<void(Graph& graph)> set_scales{};
  /// With encodings_only: values that get no static scale unless a layer reads them.
  std::vector<std::string> without_scales{};
  /// Called before each block and at the end.
  std::function<void(int done, int total, const std::string& block)> progress{};
};

/// Applies a recipe: makes a graph in f16 or bf16 one in f32 (widened_graph.h), finds its targets, puts
/// activation encodings on the uses, runs its algorithms (block by block where one of them asks for
/// activations), verifies. Throws UsageError when the recipe quantizes nothing at all or needs calibration
/// data and there is none, InputError for weights that are not finite, and what find_targets() throws.
/// Calibration samples that give activations which are not finite are left out; layers that none is left for
/// are rounded to nearest. The notes tell.
QuantReport quantize_graph(Graph& graph, const Recipe& recipe, const QuantizeOptions& options = {});

/// One target alone, rounded to nearest: the encoding of its weights and those of the activations on its
/// uses.
void encode_target(Graph& graph, const Recipe& recipe, const QuantTarget& target);

}  // namespace halftone
