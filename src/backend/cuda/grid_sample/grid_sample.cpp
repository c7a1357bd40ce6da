#include "ops/grid_sample/grid_sample.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/grid_sample/grid_sample_kernels.h"
#include "core/short_floats.h"

namespace halftone::cuda {
namespace {

class GridSample final : public CudaKernel {
 public:
  explicit GridSample(const OpSite& site)
      : align_corners_(site.attributes->get_int("align_corners", 0) != 0) {
    const std::string mode = site.attributes->get_string("mode", "linear");
    const std::string padding = site.attributes->get_string("padding_mode", "zeros");
    mode_ = mode == "nearest"                      ? SampleMode::nearest
            : mode == "cubic" || mode == "bicubic" ? SampleMode::cubic
                                                   : SampleMode::linear;
    padding_ = padding == "border"       ? SamplePadding::border
               : padding == "reflection" ? SamplePadding::reflection
                                         : SamplePadding::zeros;
  }

  void run(const KernelRun& run) const override {
    const Shape &x = run.site.input_shape(0), &y = run.outputs[0].shape;
    if (y.elements() == 0) return;
    device().launch(grid_sample_kernel, thread_each(y.elements()),
                    {floats_of(run.inputs[0]), floats_of(run.inputs[1]), floats_of(run.outputs[0]),
                     y.elements(), y[2] * y[3], static_cast<int32_t>(x[1]), static_cast<int32_t>(x[2]),
                     static_cast<int32_t>(x[3]), mode_, padding_, align_corners_});
  }

 private:
  SampleMode mode_;
  SamplePadding padding_;
  bool align_corners_;
};

Refusal supports(const OpSite& site) {
  if (site.input_shape(0).rank() != 4) return fmt::format("{} spatial axes", site.input_shape(0).rank() - 2);
  const SiteInput& grid = site.inputs[1];
  if (grid.encoding) return "grid is encoded";
  if (!is_f32_or_short(grid.type.dtype)) return fmt::format("grid is {}", dtype_name(grid.type.dtype));
  return not_one_float(site, 1);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<GridSample>(site);
}

}  // namespace

extern const Kernel grid_sample{"grid_sample", "GridSample", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
