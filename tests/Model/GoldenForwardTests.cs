using Conformance.Model;
using Engine.Runtime;

namespace Tests.Model;

public class GoldenForwardTests
{
    [Theory]
    [InlineData("tiny12h")]
    [InlineData("tiny3h")]
    public void Every_layer_logit_and_loss_of_the_small_models_equals_the_reference(string name) =>
        GoldenForwardChecks.Small(SharedData.Golden(name), () => CpuBackend.Create());

    [Fact]
    public void The_117M_shape_equals_the_reference() =>
        GoldenForwardChecks.Full(SharedData.Golden("full117m"), () => CpuBackend.Create());

    [Fact]
    public void Sequences_of_1500_tokens_past_the_references_precomputed_bias_equal_the_reference() =>
        GoldenForwardChecks.Long(SharedData.Golden("long1500"), () => CpuBackend.Create());
}
