using Conformance.Model;
using Engine.Runtime;

namespace Tests.Baselines;

public class BaselineGoldenTests
{
    [Theory]
    [InlineData("dnabert3_tiny")]
    [InlineData("nt_tiny")]
    [InlineData("nt_tiny_nodrop")]
    public void Every_hidden_state_logit_and_loss_of_the_small_models_equals_the_reference(string name) =>
        BaselineChecks.Forward(Golden(name), () => CpuBackend.Create());

    [Theory]
    [InlineData("dnabert3_tiny", "mlm", false)]
    [InlineData("dnabert3_tiny", "cls", true)]
    [InlineData("nt_tiny", "mlm", false)]
    [InlineData("nt_tiny", "cls", false)]
    [InlineData("nt_tiny", "mlm", true)]
    [InlineData("nt_tiny_nodrop", "mlm", false)]
    [InlineData("nt_tiny_nodrop", "cls", false)]
    public void Every_gradient_of_the_small_models_equals_the_reference(string name, string loss, bool recompute) =>
        BaselineChecks.Gradients(Golden(name), loss, recompute, () => CpuBackend.Create());

    [Fact]
    public void Rows_of_several_windows_average_those_of_padding_too_and_their_gradients_equal_the_reference() =>
        BaselineChecks.Windows(Golden("dnabert3_long"), () => CpuBackend.Create());

    [Fact]
    public void Twenty_training_steps_follow_the_trajectory_of_the_reference()
    {
        using var run = new BaselineRun(
            new BaselineGolden(Golden("dnabert3_train_cls")), Dnabert2.ModelParts.Pooler | Dnabert2.ModelParts.Classifier, training: true,
            CpuBackend.Create());
        BaselineChecks.Trajectory(run);
    }

    internal static string Golden(string name) => SharedData.Golden("baselines/" + name);
}
