#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "quant/matrix/gram.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

struct GptqOptions {
  double damping = 0.01;       ///< of the Hessian's mean diagonal, added to its diagonal
  bool act_order = false;      ///< columns of large activations first; implies static groups
  bool static_groups = false;  ///< scales from the weights as they came, not as they are when a group starts
  bool search_scales = true;   ///< see fit_group()
};

/// What happened on the way.
struct GptqOutcome {
  double damping = 0;   ///< that was enough
  int64_t dead = 0;     ///< columns that no activation reaches: rounded to nearest, to no effect on others
  bool failed = false;  ///< no damping was enough: everything is rounded to nearest
  double loss = 0;      ///< sum over weights of (w - q)^2 / (2 U_jj^2): the estimated squared output error
};

/// GPTQ (Frantar et al., arXiv:2210.17323): rounds the weights of a layer column by column, the errors of
/// each made good by the columns to come, as the Hessian H = 2/n X^T X weighs them. With U the upper Cholesky
/// factor of H^-1, rounding column j leaves e = (w_j - q_j) / U_jj, and each later column k gives up e U_jk.
///
/// Rows of the matrix are outputs and columns inputs, whichever way the weights lie. The scales of a group
/// are fitted when its first column comes up, to the weights as they are then, inside a block of columns too.
/// Scales that are shared otherwise (per tensor, double quantization, a code book of the tensor's own) are
/// those of rounding to nearest. Any number format will do.
class GptqRounding {
 public:
  /// `weights`: floating. `outputs_last`: outputs run along the last axis of a matrix, not along the first.
  GptqRounding(const Tensor& weights, bool outputs_last, const Encoding& encoding, const GptqOptions& options,
               std::string name);

  int64_t outputs() const { return outputs_; }
  int64_t inputs() const { return inputs_; }
  /// Rounds outputs [begin, end), which all see inputs of this Gram matrix [inputs, inputs].
  GptqOutcome round(int64_t begin, int64_t end, const Gram& gram, ThreadPool& threads);
  /// The codes, once every output has been rounded.
  std::shared_ptr<const QuantizedTensor> finish() const;

 private:
  /// One call of round().
  struct Pass;

  bool groups_along_outputs() const;
  int64_t block_columns() const;
  size_t scale_index(int64_t output, int64_t input) const;
  void fit_ahead(const Pass& pass);
  void fit_if_first(Pass& pass, int64_t output, int64_t place);
  void round_tile(Pass& pass, int64_t first, int64_t last, int64_t begin, int64_t end);

  Encoding encoding_;
  GptqOptions options_;
  std::string name_;
  Shape shape_;
  bool outputs_last_;
  int64_t outputs_, inputs_;
  ScaleGrid grid_;
  std::vector<float> weights_;                      ///< [outputs, inputs]
  std::shared_ptr<const QuantizedTensor> nearest_;  ///< where scales are those of rounding to nearest
  std::vector<CodeParams> params_;                  ///< by scale
  std::vector<uint8_t> codes_;                      ///< as stored, but a byte each
};

}  // namespace halftone
