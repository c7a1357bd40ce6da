#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "quant/algorithm.h"
#include "quant/reconstruct/reconstruction_loss.h"

namespace halftone {

/// Where a run of so many iterations stands.
struct Progress {
  int iteration;
  int iterations;
  /// 1 at the beginning, falling linearly to 0.
  float left() const { return 1 - static_cast<float>(iteration) / static_cast<float>(iterations); }
};

/// Parameters that one constant of a block is learned through.
class LearnedConstant {
 public:
  virtual ~LearnedConstant() = default;
  /// The constant's values under the parameters as they are; with no iteration left, those that the finished
  /// model has.
  virtual void write(std::span<float> values, Progress progress) = 0;
  /// Takes a step. `gradient` is that of half the mean squared error of the block's outputs with respect to
  /// the values that write() gave last.
  virtual void learn(std::span<const float> gradient, Progress progress) = 0;
  /// Remembers the parameters; goes back to those remembered.
  virtual void keep() = 0;
  virtual void restore() = 0;
};

/// One that becomes codes.
class LearnedWeight : public LearnedConstant {
 public:
  virtual std::shared_ptr<const QuantizedTensor> encode() const = 0;
};

struct ReconstructionOptions {
  int iterations = 200;
  int batch = 8;  ///< samples an iteration; all where there are fewer
  uint64_t seed = 0;
  /// Ends with the parameters of the iteration whose loss, measured against that of the same samples at the
  /// beginning, was the lowest; otherwise with the last.
  bool keep_best = true;
};

struct ReconstructionResult {
  double before =
      0;  ///< mean squared error of the outputs over all samples, by the parameters at the beginning
  double after = 0;   ///< and at the end
  double energy = 0;  ///< mean square of the outputs as the original model has them
};

/// Minimises the reconstruction loss of a block. constants[i] gives the loss's trial i. Samples are drawn
/// without replacement until all have been used. The same seed gives the same bits for any number of threads.
ReconstructionResult reconstruct(ReconstructionLoss& loss, std::span<LearnedConstant* const> constants,
                                 const ReconstructionOptions& options);

/// What a block-wise learning algorithm adds to reconstruct_block().
struct LearnedBlock {
  /// Called for each target that has no codes yet and whose encoding can be learned.
  std::function<std::unique_ptr<LearnedWeight>(const QuantTarget& target, Tensor weights,
                                               const std::string& name)>
      make;
  /// Constants that are learned along and get no codes.
  std::vector<ValueId> others{};
  std::vector<std::unique_ptr<LearnedConstant>> others_learned{};
  /// Called before the codes are set, where the loss ended lower than it began.
  std::function<void()> accept = [] {};
};

/// What block-wise learning algorithms share: makes a LearnedWeight of each target (those that cannot be
/// learned are reported and left to round to nearest), reconstructs, and sets the codes; where the loss ended
/// no lower than it began, the codes of the beginning, reported.
void reconstruct_block(CalibrationBlock& block, const ReconstructionOptions& options,
                       const LearnedBlock& learned);

}  // namespace halftone
