#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "quant/calib/calibration.h"

namespace halftone {

/// How far numbers are from the ones they stand for.
struct Closeness {
  /// 10 log10(sum of squares wanted / sum of squared errors): infinity where equal, -infinity where a number
  /// is NaN or infinite that should not be (equal infinities are no error), or nothing but zeros is wanted.
  double sqnr_db = 0;
  double cosine = 0;     ///< of the angle between the two, all numbers as one vector; NaN where not finite
  double max_error = 0;  ///< largest absolute difference; NaN where rescaled
  /// The other numbers are those of the values times one factor a channel (see ClosenessMeter).
  bool rescaled = false;
};

/// Sums from which Closeness is made, over any number of tensors.
///
/// A layer whose output another algorithm divided by factors, channel by channel, with the layers after it
/// multiplied, computes what it did; compared number by number it would look broken. Where `channel_axis` is
/// given and at least half of the channels have a least-squares factor more than 5 % from 1, all are compared
/// after theirs.
class ClosenessMeter {
 public:
  explicit ClosenessMeter(std::optional<int> channel_axis = {}) : channel_axis_(channel_axis) {}

  /// Floating tensors of one shape.
  void add(const TensorView& made, const TensorView& wanted);
  Closeness result() const;

 private:
  struct Sums {
    double made = 0, wanted = 0, product = 0, error = 0;
  };

  std::optional<int> channel_axis_;
  std::vector<Sums> channels_;  ///< one of all numbers where there is no axis
  double max_error_ = 0;
  bool broken_ = false;  ///< a number was not finite
};

struct LayerDifference {
  std::string layer;
  std::string weights;  ///< encoding of the layer's weights in the second model; empty: floating
  Closeness closeness;
};

struct ModelComparison {
  std::vector<LayerDifference> layers;   ///< in the order of the graph
  std::vector<LayerDifference> outputs;  ///< of the models
};

struct CompareOptions {
  const Backend* backend = nullptr;
  ThreadPool* threads = nullptr;
  size_t memory = size_t{2} << 30;  ///< bytes of activations kept in memory
  std::function<void(int done, int total)> progress{};
};

/// Runs two versions of one model side by side over the samples, block by block, each on its own activations,
/// and compares the outputs of every layer with constant weights, matched by name. Activations are computed
/// as the graphs have their encodings. Throws InputError when the second has no value that the first carries
/// from block to block: they are not versions of one model.
ModelComparison compare_layers(const Graph& original, const Graph& other, const CalibrationData& data,
                               const CompareOptions& options);

/// Layers by SQNR, worst first.
std::vector<LayerDifference> worst_first(std::vector<LayerDifference> layers);

}  // namespace halftone
