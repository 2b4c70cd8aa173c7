using Conformance.Model;
using Engine.Runtime;

namespace Tests.Model;

public class GoldenGradientTests
{
    [Theory]
    [InlineData("tiny12h", "mlm", false)]
    [InlineData("tiny12h", "cls", false)]
    [InlineData("tiny3h", "mlm", false)]
    [InlineData("tiny3h", "cls", true)]
    [InlineData("tiny12h", "mlm", true)]
    public void Every_gradient_of_the_small_models_equals_the_reference(string name, string loss, bool recompute) =>
        GoldenTrainingChecks.Gradients(SharedData.Golden(name), loss, recompute, () => CpuBackend.Create());

    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("full117m", "mlm")]
    [InlineData("full117m", "cls")]
    [InlineData("long1500", "mlm")]
    public void Gradient_norms_of_the_large_shapes_equal_the_reference(string name, string loss) =>
        GoldenTrainingChecks.GradientNorms(SharedData.Golden(name), loss, recompute: name == "long1500", () => CpuBackend.Create());

    [Theory]
    [InlineData("train_mlm_pretrain")]
    [InlineData("train_mlm_clip_nodecay")]
    [InlineData("train_cls_finetune")]
    public void Twenty_training_steps_follow_the_trajectory_of_the_reference(string name) =>
        GoldenTrainingChecks.Trajectory(SharedData.Golden(name), () => CpuBackend.Create());
}
