#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "halftone/error.h"
#include "halftone/tensor.h"

namespace halftone::sdk {

struct ModelOptions {
  int threads = 0;     ///< 0: one for each core this process may use
  bool exact = false;  ///< activations of layers with integer weights stay in floating point
};

/// Any graph on tensors: an .onnx file or a folder that `halftone quantize` wrote. One thread at a time may
/// run it.
class HALFTONE_API Model {
 public:
  /// Throws Error naming the file and the place of what is wrong, or what is not handled.
  static Model load(const std::filesystem::path& path, const ModelOptions& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  std::vector<TensorInfo> inputs() const;
  std::vector<TensorInfo> outputs() const;
  /// A tensor for each input, by name; all outputs, by name. Throws Error for a name, type or shape that does
  /// not fit.
  std::map<std::string, Tensor> run(const std::map<std::string, Tensor>& inputs);
  /// A line a node: which kernel runs it, and why a faster one does not.
  std::string explain() const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace halftone::sdk
