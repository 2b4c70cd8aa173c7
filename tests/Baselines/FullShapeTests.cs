using Conformance.Model;
using Engine.Runtime;

namespace Tests.Baselines;

[Trait("Category", "Slow")]
public class FullShapeTests
{
    private const string Largest = "nt500m_full";

    [Theory]
    [InlineData("dnabert6_full")]
    [InlineData(Largest)]
    public void Hidden_states_logits_and_losses_of_the_published_shapes_equal_the_reference(string name)
    {
        if (name == Largest) LongTests.SkipUnlessAsked();
        BaselineChecks.FullForward(BaselineGoldenTests.Golden(name), () => CpuBackend.Create());
    }

    [Theory]
    [InlineData("dnabert6_full", "mlm")]
    [InlineData("dnabert6_full", "cls")]
    [InlineData(Largest, "mlm")]
    [InlineData(Largest, "cls")]
    public void Gradients_of_the_published_shapes_equal_the_reference(string name, string loss)
    {
        if (name == Largest) LongTests.SkipUnlessAsked();
        BaselineChecks.FullGradients(BaselineGoldenTests.Golden(name), loss, () => CpuBackend.Create());
    }
}
