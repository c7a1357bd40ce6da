#include "backend/cpu/gemm/gemm_site.h"

namespace halftone::cpu {

Refusal plain_gemm_refusal(const OpSite& site) {
  if (site.attributes->has("activation")) return "it has an activation";
  if (site.attributes->get_int("transA", 0) != 0) return "transA is 1";
  if (site.attributes->get_int("transB", 0) == 0) return "transB is 0";
  if (site.inputs[0].type.dtype != DType::f32)
    return fmt::format("A is {}, not f32", dtype_name(site.inputs[0].type.dtype));
  if (!site.inputs[1].constant) return "B is not a constant";
  if (site.input_shape(1).elements() == 0) return "B is empty";
  if (site.has_input(2) && !site.inputs[2].constant && site.inputs[2].type.dtype != DType::f32)
    return fmt::format("C is {}, not f32", dtype_name(site.inputs[2].type.dtype));
  return {};
}

Addend::Addend(const OpSite& site)
    : alpha_(site.attributes->get_float("alpha", 1)), beta_(site.attributes->get_float("beta", 1)) {
  if (!site.has_input(2) || !site.inputs[2].constant) return;
  const Constant& c = *site.inputs[2].constant;
  constant_ = to_f32(c.encoding() ? c.load_encoded(std::string(site.name))->decode() : c.load());
}

Addend::At Addend::at(const KernelRun& run, int64_t first_row) const {
  At result{nullptr, 0, 0, alpha_, beta_};
  if (!run.site.has_input(2)) return result;
  const TensorView& c = is_constant() ? constant_.view() : run.inputs[2].tensor;
  result.row_step = c.shape.rank() == 2 && c.shape[0] != 1 ? c.shape[1] : 0;
  result.column_step = c.shape.rank() >= 1 && c.shape.back() != 1 ? 1 : 0;
  result.data = c.span<float>().data() + first_row * result.row_step;
  return result;
}

}  // namespace halftone::cpu
