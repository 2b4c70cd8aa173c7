using System.Text.RegularExpressions;
using Conformance.Gpu;
using Dnabert2.Tool;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Gpu;
using Tests.Weights;

namespace Tests.Tools;

/// <summary><c>--device</c> of the verbs, on a driver that is played and kernels that are interpreted.</summary>
[Trait("Category", "Slow")]
public sealed class DeviceTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Sequences = ">a\nACGTTGCATTGACCAGTCA\n>b\nGGGATTTACCC\n";

    [Fact]
    public void Embed_on_a_GPU_gives_the_vectors_of_the_CPU_and_says_where_it_ran()
    {
        var driver = new FakeDriver();
        ToolRun cpu = Run(driver, ["embed", "-", "--model", toy.Folder, "--device", "cpu"]).Succeeds();
        foreach (string device in (string[])["cuda", "cuda:0", "auto"])
        {
            ToolRun gpu = Run(driver, ["embed", "-", "--model", toy.Folder, "--device", device]).Succeeds();
            Assert.Contains("on Fake H200, compute capability 9.0", gpu.Error, StringComparison.Ordinal);
            double[] expected = Numbers(cpu), actual = Numbers(gpu);
            Assert.Equal(expected.Length, actual.Length);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-5);
        }

        Assert.Equal((0, 0L), (driver.Held, driver.LiveBytes));
    }

    [Fact]
    public void Embed_and_pretrain_in_bf16_on_a_GPU_come_near_to_f32_and_8_bit_integers_are_refused()
    {
        double[] exact = Numbers(Run(new FakeDriver(), ["embed", "-", "--model", toy.Folder, "--device", "cpu"]).Succeeds());
        foreach (string device in (string[])["cuda", "auto"])
        {
            ToolRun gpu = Run(new FakeDriver(), ["embed", "-", "--model", toy.Folder, "--device", device, "--dtype", "bf16"]).Succeeds();
            Assert.Matches("on Fake H200, compute capability 9.0, .*, bf16", gpu.Error);
            double[] actual = Numbers(gpu);
            double distance = Math.Sqrt(exact.Zip(actual).Sum(p => Math.Pow(p.First - p.Second, 2)) / exact.Sum(v => v * v));
            Assert.InRange(distance, 1e-4, 0.05);
        }

        ToolRun refused = Run(new FakeDriver(), ["embed", "-", "--model", toy.Folder, "--device", "cuda", "--dtype", "i8"]);
        Assert.Equal(2, refused.Code);
        Assert.Contains("the GPU computes in f32 or bf16", refused.Error, StringComparison.Ordinal);

        using var folder = new TempFolder();
        double[][] losses = [.. ((string[])["f32", "bf16"]).Select(type =>
        {
            Run(new FakeDriver(), [.. Pretraining(folder[type]), "--device", "cuda", "--dtype", type, "--steps", "2", "--batch", "2"])
                .Succeeds();
            return File.ReadLines(folder[type + "/train.csv"]).Skip(1).Select(line => double.Parse(line.Split(',')[1])).ToArray();
        })];
        for (int i = 0; i < 2; i++)
        {
            Assert.NotEqual(losses[0][i], losses[1][i]);
            Assert.Equal(losses[0][i], losses[1][i], losses[0][i] / 256);
        }
    }

    [Fact]
    public void Auto_falls_back_to_the_CPU_and_passes_over_a_GPU_that_cannot_be_used()
    {
        foreach (FakeDriver driver in (FakeDriver[])[new() { IsInstalled = false }, new() { Devices = [] },
            new() { Devices = [("Old", 7, 5, true)] }])
            Assert.Contains(" on CPU, ", Run(driver, ["embed", "-", "--model", toy.Folder]).Succeeds().Error, StringComparison.Ordinal);
        var second = new FakeDriver { Devices = [("Old", 7, 5, true), ("New", 8, 0, true)] };
        Assert.Contains(" on New, ", Run(second, ["embed", "-", "--model", toy.Folder]).Succeeds().Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cuda", "--device cuda: there is no NVIDIA driver on this machine; use --device cpu")]
    [InlineData("cuda:3", "--device cuda:3: there is no NVIDIA driver on this machine; use --device cpu")]
    public void A_GPU_that_is_asked_for_and_not_there_is_an_error_in_a_sentence(string device, string expected)
    {
        ToolRun run = Run(new FakeDriver { IsInstalled = false }, ["embed", "-", "--model", toy.Folder, "--device", device]);
        Assert.Equal((1, $"dnabert2: error: {expected}"), (run.Code, run.Error.Trim()));
    }

    [Fact]
    public void Pretraining_looks_for_the_GPU_before_it_builds_a_corpus()
    {
        using var folder = new TempFolder();
        ToolRun run = Run(
            new FakeDriver { IsInstalled = false }, [.. Pretraining(folder["run"]), "--device", "cuda", "--steps", "1", "--batch", "2"]);
        Assert.Equal(1, run.Code);
        Assert.False(Directory.Exists(folder["run"]), run.Error);
    }

    [Fact]
    public void Info_lists_the_GPUs_and_says_what_runs_where()
    {
        string text = Run(new FakeDriver { Devices = [("Old", 7, 5, true), ("New", 9, 0, true)] }, ["info"]).Succeeds().Text;
        Assert.Matches(@"(?m)^cuda:0 +cannot be used: Old has compute capability 7\.5; the kernels need 8\.0", text);
        Assert.Matches(@"(?m)^cuda:1 +New, compute capability 9\.0, 1\.0 GiB, 132 multiprocessors$", text);
        Assert.Matches(@"(?m)^runs on +verbs that take --device: cuda:1, ", text);
        text = Run(new FakeDriver { IsInstalled = false }, ["info"]).Succeeds().Text;
        Assert.Matches(@"(?m)^gpu +none: there is no NVIDIA driver on this machine$", text);
        Assert.Matches(@"(?m)^runs on +verbs that take --device: the CPU, ", text);
    }

    [Fact]
    public void Pretraining_on_a_GPU_follows_the_losses_of_the_CPU()
    {
        using var folder = new TempFolder();
        double[][] losses = [.. ((string[])["cpu", "cuda"]).Select(device =>
        {
            Run(new FakeDriver(), [.. Pretraining(folder[device]), "--device", device, "--steps", "3", "--batch", "2"]).Succeeds();
            return File.ReadLines(folder[device + "/train.csv"]).Skip(1).Select(line => double.Parse(line.Split(',')[1])).ToArray();
        })];
        Assert.Equal(3, losses[0].Length);
        for (int i = 0; i < 3; i++) Assert.Equal(losses[0][i], losses[1][i], 1e-5);
    }

    [Fact]
    public void A_batch_that_does_not_fit_names_the_batch_that_does()
    {
        string many =
            string.Concat(Enumerable.Range(0, 150).Select(i => $">s{i}\n{string.Concat(Enumerable.Repeat("ACGTTGCATTGACCAGTCAGG", 3))}\n"));
        string[] args = ["embed", "-", "--model", toy.Folder, "--device", "cuda"];
        var driver = new FakeDriver { MemoryBytes = 3 << 20 };
        ToolRun run = Run(driver, [.. args, "--batch-tokens", "1000000"], many);
        Assert.Equal(1, run.Code);
        Assert.Contains("there is not enough GPU memory: ", run.Error, StringComparison.Ordinal);
        Assert.Contains("were asked for on the GPU", run.Error, StringComparison.Ordinal);
        string fits = Regex.Match(run.Error, @"--batch-tokens (\d+)").Groups[1].Value;
        Assert.True(fits.Length > 0, run.Error);
        Run(driver, [.. args, "--batch-tokens", fits], many).Succeeds();
        Assert.Equal((0, 0L), (driver.Held, driver.LiveBytes));
    }

    [Fact]
    public void A_micro_batch_that_does_not_fit_names_the_one_that_does()
    {
        using var folder = new TempFolder();
        var driver = new FakeDriver { MemoryBytes = 6 << 20 };
        string[] args = ["--device", "cuda", "--batch", "60", "--steps", "1"];
        ToolRun run = Run(driver, [.. Pretraining(folder["a"]), .. args, "--micro-batch-tokens", "1000000"]);
        Assert.Equal(1, run.Code);
        string fits = Regex.Match(run.Error, @"--micro-batch-tokens (\d+)").Groups[1].Value;
        Assert.True(fits.Length > 0, run.Error);
        Run(driver, [.. Pretraining(folder["b"]), .. args, "--micro-batch-tokens", fits]).Succeeds();
        Assert.Equal((0, 0L), (driver.Held, driver.LiveBytes));
    }

    [Fact]
    public void Fine_tuning_on_a_GPU_writes_a_model_and_says_when_its_memory_is_too_small()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["task"]);
        string rows = string.Concat(Enumerable.Range(0, 6).Select(i => $"ACGTTGCATTGACCAGTC{(i % 2 == 0 ? "AAAA" : "GGGG")},{i % 2}\n"));
        foreach (string part in (string[])["train", "dev", "test"])
            File.WriteAllText(folder[$"task/{part}.csv"], "sequence,label\n" + rows);
        string[] args = ["finetune", "--data", folder["task"], "--model", toy.Folder, "--device", "cuda", "--steps", "2", "--batch", "4",
            "--warmup", "1", "--evaluate-every", "2", "--quiet"];
        Run(new FakeDriver(), [.. args, "-o", folder["a"]]).Succeeds();
        Assert.True(File.Exists(folder["a/model.safetensors"])
            || Directory.GetFiles(folder["a"], "model.safetensors", SearchOption.AllDirectories).Length > 0);

        ToolRun run = Run(new FakeDriver { MemoryBytes = 5 << 20 }, [.. args, "-o", folder["b"]]);
        Assert.Equal(1, run.Code);
        Assert.Contains("were asked for on the GPU", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Attention_is_timed_on_a_GPU_by_its_own_clock()
    {
        string[] small = ["bench", "attention", "--device", "cuda", "--shapes", "1x3", "--rounds", "1", "--heads", "1"];
        foreach (string dtype in (string[])["f32", "bf16"])
        {
            ToolRun run = Run(new FakeDriver(), [.. small, "--head-size", "8", "--dtype", dtype]).Succeeds();
            Assert.Single(run.Lines, line => Regex.IsMatch(line, "^alibi +1×3 .*—.*—$"));
        }

        ToolRun large = Run(new FakeDriver(), [.. small, "--head-size", "136"]);
        Assert.Equal(1, large.Code);
        Assert.Contains("on the GPU their size is at most 128", large.Error, StringComparison.Ordinal);
        ToolRun other = Run(new FakeDriver(), [.. small, "--head-size", "8", "--variant", "softcap"]);
        Assert.Equal(1, other.Code);
        Assert.Contains("attention with SoftCap is not among the kernels that were compiled ahead", other.Error, StringComparison.Ordinal);
    }

    private static string[] Pretraining(string run) =>
    [
        "pretrain", ToyModel.SamplePath, "--tokenizer", ToyModel.TokenizerPath, "-o", run, "--hidden", "16", "--layers", "1",
        "--heads", "2",
        "--intermediate", "24", "--warmup", "1", "--max-bases", "60", "--held-out", "0", "--quiet",
    ];

    private static double[] Numbers(ToolRun run) =>
        [.. run.Lines.SelectMany(line => line.Split('\t')).Where(cell => double.TryParse(cell, out _)).Select(double.Parse)];

    private static ToolRun Run(FakeDriver driver, string[] args, string input = Sequences)
    {
        using var output = new MemoryStream();
        var error = new StringWriter();
        var gpus = new Gpus(
            () => (CudaDevices.List(driver, out string? obstacle), obstacle),
            (index, activations) =>
            (CudaDevices.TryOpen(driver, index, out Backend? backend, out string? obstacle, activations) ? backend : null, obstacle));
        var terminal = new Terminal
        {
            Input = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(input)),
            Output = output,
            Error = error,
            Gpus = gpus,
        };
        int code = CommandLineTool.Run(args, terminal);
        return new ToolRun(code, output.ToArray(), error.ToString());
    }
}
