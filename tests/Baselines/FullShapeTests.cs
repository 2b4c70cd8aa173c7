using Conformance.Model;
using Engine.Runtime;

namespace Tests.Baselines;

[Trait("Category", "Slow")]
public class FullShapeTests
{
    [Theory]
    [InlineData("dnabert6_full")]
    [InlineData("nt500m_full")]
    public void Hidden_states_logits_and_losses_of_the_published_shapes_equal_the_reference(string name) =>
        BaselineChecks.FullForward(BaselineGoldenTests.Golden(name), () => CpuBackend.Create());

    [Theory]
    [InlineData("dnabert6_full", "mlm")]
    [InlineData("dnabert6_full", "cls")]
    [InlineData("nt500m_full", "mlm")]
    [InlineData("nt500m_full", "cls")]
    public void Gradients_of_the_published_shapes_equal_the_reference(string name, string loss) =>
        BaselineChecks.FullGradients(BaselineGoldenTests.Golden(name), loss, () => CpuBackend.Create());
}
