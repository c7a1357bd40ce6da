#pragma once

#include <functional>

#include "halftone/error.h"
#include "halftone/tensor.h"

namespace halftone::sdk {

/// The attributes of one node, as the ONNX file has them.
class HALFTONE_API NodeAttributes {
 public:
  int64_t get_int(const std::string& name, int64_t fallback) const;
  float get_float(const std::string& name, float fallback) const;
  std::string get_string(const std::string& name, const std::string& fallback) const;
  std::vector<int64_t> get_ints(const std::string& name, const std::vector<int64_t>& fallback) const;

  explicit NodeAttributes(const void* attributes) : attributes_(attributes) {}

 private:
  const void* attributes_;  ///< the library's own
};

/// One operand while a node runs: row-major bytes that the library owns. An absent optional input has no
/// data.
struct ConstView {
  Type type = Type::f32;
  Shape shape;
  const std::byte* data = nullptr;
  int64_t elements = 0;

  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data), static_cast<size_t>(elements)};
  }
};
struct MutableView {
  Type type = Type::f32;
  Shape shape;
  std::byte* data = nullptr;
  int64_t elements = 0;

  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data), static_cast<size_t>(elements)};
  }
};

/// Runs `work(begin, end)` over [0, count) on the model's threads, in pieces of `grain` at least.
using ParallelFor = std::function<void(int64_t count, int64_t grain,
                                       const std::function<void(int64_t begin, int64_t end)>& work)>;

struct OperatorCall {
  const NodeAttributes& attributes;
  std::span<const ConstView> inputs;
  std::span<const MutableView> outputs;
};

/// An operator of your own for ONNX models: nodes of `domain` and `name` are run by it.
struct CustomOperator {
  std::string name;
  std::string domain;
  std::vector<std::string> inputs;  ///< names, for errors
  size_t optional_inputs = 0;       ///< how many of the last ones may be absent
  std::vector<std::string> outputs;

  /// Types and shapes of the outputs (names are ignored). Negative sizes are open dimensions: pass them on as
  /// they are, or give -1 for one that is not known. Throw Error (input) for inputs that do not fit.
  std::function<std::vector<TensorInfo>(const NodeAttributes& attributes, std::span<const TensorInfo> inputs)>
      infer;
  /// What the operator computes, plainly.
  std::function<void(const OperatorCall& call)> reference;
  /// The same, fast; may be empty. It must not throw.
  std::function<void(const OperatorCall& call, const ParallelFor& parallel_for)> kernel;
};

/// From here on models that are loaded may have nodes of this operator. Throws Error (usage) when the name is
/// taken (by one of Halftone's operators too) or a part is missing.
HALFTONE_API void register_operator(CustomOperator custom);

}  // namespace halftone::sdk
