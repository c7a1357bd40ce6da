#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/tensor.h"
#include "ops/attributes.h"
#include "ops/constant.h"
#include "ops/storage.h"

namespace halftone {

/// Something a session keeps from run to run (a KV cache). Operators that use one declare its concrete type.
class State {
 public:
  virtual ~State() = default;
};

/// Type and shape of a value as an operator sees it.
struct ValueType {
  DType dtype = DType::f32;
  Shape shape;
  friend bool operator==(const ValueType&, const ValueType&) = default;
};

/// One input of one use of an operator. An absent optional input has present == false.
struct SiteInput {
  bool present = false;
  ValueType type;
  const Constant* constant = nullptr;  ///< set when the value is a constant
  const Encoding* encoding = nullptr;  ///< the constant's encoding, or the activation encoding on this use
  Storage storage = {};                ///< how an activation lies in memory
  const TensorView* known = nullptr;   ///< the value of what is no constant, where it is at hand already
};

struct OpSchema;

/// All that is known of one use of an operator ahead of running it: what supports(), the shape rule and the
/// cost see. Shapes may be symbolic when compiling and are concrete when running.
struct OpSite {
  const OpSchema* schema = nullptr;
  const Attributes* attributes = nullptr;
  std::string_view name;  ///< the node's, for errors
  std::vector<SiteInput> inputs;
  std::vector<ValueType> outputs;
  std::vector<Storage> output_storage = {};  ///< by output; empty or shorter: plain

  bool has_input(size_t i) const { return i < inputs.size() && inputs[i].present; }
  const Shape& input_shape(size_t i) const { return inputs[i].type.shape; }
  Storage storage_of_output(size_t i) const {
    return i < output_storage.size() ? output_storage[i] : Storage{};
  }
  bool all_plain() const;
  bool any_wide() const;  ///< whether a value is stored as wide codes
  /// Whether the first output is the first input's bytes: nothing need run. An alias operator whose two ends
  /// are stored differently copies, as its reference does.
  bool is_alias() const;
};

/// An input at run time: a tensor as its storage has it, or codes of a constant, or a state.
struct Operand {
  TensorView tensor;
  const QuantizedTensor* quantized = nullptr;
  State* state = nullptr;
  bool present = false;

  template <class T>
  std::span<const T> span() const {
    return tensor.span<T>();
  }
};

/// Work and traffic of one run at concrete shapes. Bytes of constants are those of their encoding.
struct Cost {
  double flops = 0;             ///< a multiply-add counts as two
  double weight_bytes = 0;      ///< constants read
  double activation_bytes = 0;  ///< inputs read and outputs written
  double state_bytes = 0;       ///< read and written in states
};

/// Inputs and outputs in ONNX's order.
struct InputSpec {
  std::string_view name;
  bool optional = false;
};

/// An operator: its interface, its rules and its meaning. The reference is the oracle for every kernel.
struct OpSchema {
  std::string_view name;
  std::string_view domain;  ///< "" is ONNX's own; ours is "halftone"
  std::vector<InputSpec> inputs;
  bool variadic_inputs = false;  ///< the last input may repeat
  std::vector<std::string_view> outputs;
  /// How many of the last outputs a node has only where somebody asks for them. References and kernels are
  /// handed the first ones then.
  size_t optional_outputs = 0;
  /// Types of all outputs, optional ones too, from input types, attributes and the values that steer the
  /// shape (known_value()). Throws InputError naming site.name for types or shapes that do not fit.
  std::vector<ValueType> (*infer)(const OpSite& site) = nullptr;
  Cost (*cost)(const OpSite& site) = nullptr;
  /// Plain scalar implementation. Honours encodings on the site: what it computes is what kernels must
  /// compute.
  void (*reference)(const OpSite& site, std::span<const Operand> inputs,
                    std::span<const MutableTensorView> outputs) = nullptr;
  /// Whether outputs[0] has the bytes of inputs[0] under another shape (Reshape); see OpSite::is_alias().
  bool alias = false;
  /// Whether the outputs say nothing but the shape of the inputs (Shape), so they are known as soon as it is.
  bool of_shapes = false;
};

/// Runs the reference on values of any storage: inputs are made plain, outputs rounded to their storage. That
/// is what an operator on stored codes means.
void run_reference(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs);

/// Every operator, the list that declares and tests them (ops.inc).
std::span<const OpSchema* const> op_schemas();
/// The operator of that name, or null.
const OpSchema* find_op(std::string_view name);

/// Bytes of activations in and out and of constant inputs: the traffic part of most operators' costs.
Cost traffic(const OpSite& site);

/// Throws InputError "NODE (Op): what" unless `condition` holds: for shape rules.
template <class... Args>
void require(const OpSite& site, bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition)
    throw InputError("{} ({}): {}", site.name, site.schema->name,
                     fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace halftone
