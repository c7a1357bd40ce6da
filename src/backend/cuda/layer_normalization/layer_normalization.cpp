#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/layer_normalization/layer_normalization_kernels.h"

namespace halftone::cuda {
namespace {

class LayerNormalization : public CudaKernel {
 public:
  explicit LayerNormalization(const OpSite& site) : epsilon_(site.attributes->get_float("epsilon", 1e-5f)) {}

  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const int64_t width = run.site.input_shape(1).elements();
    LayerNormalizationArgs args{};
    args.x = run.inputs[0].tensor.data;
    args.scale = run.inputs[1].tensor.data;
    args.shift = run.site.has_input(2) ? run.inputs[2].tensor.data : nullptr;
    args.y = run.outputs[0].data;
    args.width = static_cast<int>(width);
    args.epsilon = epsilon_;
    args.wide = width % 4 == 0 && all_aligned_16(args.x, args.scale, args.shift, args.y);
    device().launch(of_type(run.outputs[0].dtype, layer_normalization_f32, layer_normalization_f16,
                            layer_normalization_bf16),
                    {{static_cast<int>(elements / width)},
                     row_threads(args.wide ? width / 4 : width),
                     kLayerNormalizationShared},
                    args);
  }

 private:
  float epsilon_;
};

/// All axes from `axis` on are one row, which scale and shift cover.
Refusal supports(const OpSite& site) {
  if (site.outputs.size() > 1) return "more than Y is asked for";
  const Shape& x = site.input_shape(0);
  const auto axis = x.normalize_axis(site.attributes->get_int("axis", -1));
  const Shape row(std::span(x.begin() + *axis, x.end()));
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && site.input_shape(i) != row)
      return fmt::format("{} is {}, not {}", site.schema->inputs[i].name, site.input_shape(i).str(),
                         row.str());
  return not_one_float(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<LayerNormalization>(site);
}

}  // namespace

extern const Kernel layer_normalization{"layer_normalization", "LayerNormalization", Isa::scalar, supports,
                                        prepare};

}  // namespace halftone::cuda
