#include "halftone/custom_operator.h"

#include <deque>
#include <mutex>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "ops/elementwise.h"
#include "ops/registered.h"
#include "sdk/convert.h"
#include "sdk/custom_backend.h"

namespace halftone::sdk {
namespace {

/// An operator as the graph knows it; its functions find themselves through the schema of the site.
struct CustomSchema : OpSchema {
  CustomOperator custom;
};

const CustomOperator& custom_of(const OpSite& site) {
  return static_cast<const CustomSchema*>(site.schema)->custom;
}

std::deque<CustomSchema>& registered() {
  static std::deque<CustomSchema> operators;
  return operators;
}
std::mutex& registering() {
  static std::mutex mutex;
  return mutex;
}

std::vector<ValueType> infer(const OpSite& site) {
  const CustomOperator& custom = custom_of(site);
  std::vector<TensorInfo> inputs;
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    if (!site.has_input(i)) {
      inputs.push_back({});
      continue;
    }
    const ValueType& type = site.inputs[i].type;
    inputs.push_back({custom.inputs[i], from_dtype(type.dtype), from_shape(type.shape)});
  }
  std::vector<TensorInfo> outputs;
  try {
    outputs = custom.infer(NodeAttributes(site.attributes), inputs);
  } catch (const Error& error) {
    throw InputError("{} ({}): {}", site.name, site.schema->name, error.what());
  }
  require(site, outputs.size() == custom.outputs.size(), "its shape rule gives {} outputs, expected {}",
          outputs.size(), custom.outputs.size());
  std::vector<ValueType> types;
  for (const TensorInfo& output : outputs) types.push_back({to_dtype(output.type), to_shape(output.shape)});
  return types;
}

struct Views {
  std::vector<ConstView> inputs;
  std::vector<MutableView> outputs;

  Views(std::span<const Operand> from, std::span<const MutableTensorView> to) {
    for (const Operand& operand : from) {
      const TensorView& x = operand.tensor;
      inputs.push_back(operand.present
                           ? ConstView{from_dtype(x.dtype), from_shape(x.shape), x.data, x.shape.elements()}
                           : ConstView{});
    }
    for (const MutableTensorView& y : to)
      outputs.push_back({from_dtype(y.dtype), from_shape(y.shape), y.data, y.shape.elements()});
  }
};

void run_reference(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs) {
  const Views views(inputs, outputs);
  custom_of(site).reference({NodeAttributes(site.attributes), views.inputs, views.outputs});
}

/// The kernel of a custom operator, bound to one node.
class CustomKernel final : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const Views views(run.inputs, run.outputs);
    const ParallelFor parallel_for = [&](int64_t count, int64_t grain,
                                         const std::function<void(int64_t, int64_t)>& work) {
      run.threads.parallel_for(count, grain, work);
    };
    custom_of(run.site).kernel({NodeAttributes(run.site.attributes), views.inputs, views.outputs},
                               parallel_for);
  }
};

class CustomBackend final : public Backend {
 public:
  CustomBackend() {
    const std::scoped_lock lock(registering());
    for (const CustomSchema& schema : registered())
      if (schema.custom.kernel)
        kernels_.push_back({schema.custom.name, schema.custom.name, Isa::scalar,
                            [](const OpSite&) { return Refusal(); },
                            [](const OpSite&, ThreadPool&) -> std::unique_ptr<PreparedKernel> {
                              return std::make_unique<CustomKernel>();
                            }});
    const auto own = cpu_backend().kernels();
    kernels_.insert(kernels_.end(), own.begin(), own.end());
  }
  std::string_view name() const override { return "cpu"; }
  std::span<const Kernel> kernels() const override { return kernels_; }

 private:
  std::vector<Kernel> kernels_;
};

const Attributes& attributes_of(const void* attributes) {
  return *static_cast<const Attributes*>(attributes);
}

void check(const CustomOperator& custom) {
  const auto wanted = [&](bool there, const char* what) {
    if (!there) throw Error(Error::Kind::usage, fmt::format("operator \"{}\": {}", custom.name, what));
  };
  wanted(!custom.name.empty() && !custom.domain.empty() && custom.domain != "ai.onnx",
         "a name and a domain of its own are needed");
  wanted(custom.infer && custom.reference, "a shape rule and a reference are needed");
  wanted(!custom.outputs.empty() && custom.optional_inputs <= custom.inputs.size(),
         "it needs an output, and no more optional inputs than inputs");
  wanted(!find_op(custom.name), "the name is taken");
}

}  // namespace

std::unique_ptr<Backend> backend_with_custom_operators() {
  return std::make_unique<CustomBackend>();
}

void register_operator(CustomOperator custom) {
  guarded([&] {
    const std::scoped_lock lock(registering());
    check(custom);
    CustomSchema& schema = registered().emplace_back();
    schema.custom = std::move(custom);
    schema.name = schema.custom.name;
    schema.domain = schema.custom.domain;
    const size_t required = schema.custom.inputs.size() - schema.custom.optional_inputs;
    for (size_t i = 0; i < schema.custom.inputs.size(); ++i)
      schema.inputs.push_back({schema.custom.inputs[i], i >= required});
    for (const std::string& output : schema.custom.outputs) schema.outputs.push_back(output);
    schema.infer = infer;
    schema.cost = elementwise_cost;
    schema.reference = run_reference;
    register_op(schema);
  });
}

int64_t NodeAttributes::get_int(const std::string& name, int64_t fallback) const {
  return guarded([&] { return attributes_of(attributes_).get_int(name, fallback); });
}
float NodeAttributes::get_float(const std::string& name, float fallback) const {
  return guarded([&] { return attributes_of(attributes_).get_float(name, fallback); });
}
std::string NodeAttributes::get_string(const std::string& name, const std::string& fallback) const {
  return guarded([&] { return attributes_of(attributes_).get_string(name, fallback); });
}
std::vector<int64_t> NodeAttributes::get_ints(const std::string& name,
                                              const std::vector<int64_t>& fallback) const {
  return guarded([&] { return attributes_of(attributes_).get_ints(name, fallback); });
}

}  // namespace halftone::sdk
