#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quant/calib/calibration.h"

namespace halftone {

/// How far a block's outputs are from those of the original model when some of its constants take trial
/// values, and the gradient with respect to these: sample by sample, from the inputs that the quantized
/// prefix gives. Outputs that no trial constant reaches (a mask that is made here) do not count.
///
/// The trial constants are inputs of one plan, compiled once, so an iteration packs and compiles nothing.
/// Everything runs in f32, without encodings of activations.
class ReconstructionLoss {
 public:
  /// `trials`: floating constants of block.graph. Throws UnsupportedError naming the node whose gradient is
  /// not known.
  ReconstructionLoss(const CalibrationBlock& block, std::span<const ValueId> trials);

  int samples() const { return samples_; }
  /// Trial values of the i-th constant, f32, as the block has them until they are overwritten.
  MutableTensorView trial(size_t i) { return trials_[i].values.mutable_view(); }

  /// Sum of squared differences over the outputs of one sample.
  double evaluate(int sample);
  /// The same, and adds to gradient(i) that of half the sum.
  double differentiate(int sample);
  TensorView gradient(size_t i) const { return trials_[i].gradient.view(); }
  void clear_gradients();

  /// Elements of the outputs of all samples, and the sum of their squares as the original model has them.
  int64_t elements() const { return elements_; }
  double energy() const { return energy_; }

 private:
  struct Trial {
    std::string input, output;  ///< of the plans
    Tensor values, gradient;
  };
  struct BlockInput {
    std::string name;
    ValueId value;  ///< of the block
  };
  struct BlockOutput {
    std::string wanted, difference;
    ValueId value;
  };

  void build(const CalibrationBlock& block, std::span<const ValueId> trials);
  std::map<std::string, TensorView> load(int sample);
  double squares(const Session& session) const;

  int samples_;
  std::vector<Trial> trials_;
  std::vector<BlockInput> inputs_;
  std::vector<BlockOutput> outputs_;
  const Activations& from_;
  Activations wanted_;
  std::vector<Tensor> held_;  ///< of the sample at hand
  std::unique_ptr<Session> forward_, backward_;
  int64_t elements_ = 0;
  double energy_ = 0;
};

}  // namespace halftone
