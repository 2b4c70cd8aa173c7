using Conformance.Cases;
using Conformance.Gpu;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;
using GpuBench;
using Tests.Weights;

namespace Tests.Gpu;

/// <summary>The program that checks and measures GPUs, on a GPU that is played.</summary>
[Trait("Category", "Slow")]
public sealed class GpuBenchTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_check_that_fails_is_a_line_and_does_not_hide_the_next()
    {
        Journal journal = Open();
        WorkItem[] items = [Item("wrong", () => throw new CheckFailedException("1 is 2")),
            Item("absent", () => throw new FileNotFoundException("x")), Item("right", () => null), Item("figure", () => "12.5")];
        Assert.Equal(Runner.Bad, Runner.Run(items, journal, Device));
        Assert.Equal(["FAIL wrong", "SKIP absent", "PASS right", "DATA figure"], journal.Results.Select(l => $"{l.Result} {l.Name}"));
        Assert.Contains("1 is 2", journal.Find("part", "wrong")!.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_goes_on_after_a_GPU_that_has_stopped_and_a_process_that_has_ended()
    {
        int runs = 0;
        WorkItem[] items =
        [
            Item("first", () =>
            {
                runs++;
                return null;
            }),
            Item("stops", () => throw new CudaException(CudaResult.IllegalAddress, "the GPU has stopped")),
            Item("last", () => null),
        ];
        Assert.Equal(Runner.Again, Runner.Run(items, Open(), Device));
        Open().Begin("part", "ends");
        Journal journal = Open();
        Assert.Equal(Runner.Bad, Runner.Run([.. items, Item("ends", () => null)], journal, Device));
        Assert.Equal(["PASS first", "FAIL stops", "FAIL ends", "PASS last"], journal.Results.Select(l => $"{l.Result} {l.Name}"));
        Assert.Equal(1, runs);
    }

    [Fact]
    public void Checks_of_every_part_pass_on_a_GPU_that_is_played()
    {
        // The models of the golden files, and every size, are the business of other tests.
        string[] left = ["sizes", "golden", "trajectories"];
        WorkItem[] items = [.. Checks.All().Where(i => !left.Contains(i.Part) && !i.Name.EndsWith("117M", StringComparison.Ordinal))
            .GroupBy(i => i.Part).SelectMany(part => part.Take(3))];
        Journal journal = Open();
        Assert.True(Runner.Run(items, journal, Device) == Runner.Good, string.Join("\n", journal.Results));
        Assert.Equal(
            ["bf16", "cpu", "equal", "gradients", "ops"], journal.Results.Select(l => l.Part).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(Checks.All().Count(), Checks.All().DistinctBy(i => (i.Part, i.Name)).Count());
    }

    [Fact]
    public void Every_kernel_is_measured_with_operands_that_fit_it()
    {
        LongTests.SkipUnlessAsked();
        WorkItem[] items =
        [
            .. new Bandwidth(Rows: 12, Calls: 1).All(),
            .. new Throughput(Bits.Small.Config, [(2, 5)], [(2, 5)], Calls: 1).All(),
            new("first use", "kernels compiled by the driver", open => FirstUse.Measure(open(), Bits.Small.Config, 5)),
        ];
        Journal journal = Open();
        Assert.True(Runner.Run(items, journal, Device) == Runner.Good, string.Join("\n", journal.Results));
        Assert.All(
            journal.Results, line =>
            Assert.True(double.Parse(line.Detail, System.Globalization.CultureInfo.InvariantCulture) >= 0, line.Name));
        string report = Report.Write(journal, "Fake",
            """{ "torch": "2.4", "attention none bf16 2×5": 0.5, "absent": { "attention causal bf16 2×5, FlexAttention": "too old" } }""");
        Assert.Contains("| dropout_residual_bf16 | ", report, StringComparison.Ordinal);
        Assert.Matches(@"\| attention none bf16 2×5 \| [\d.]+ \| 0\.5 \| ", report);
        Assert.Contains("| training step f32 2×5 | ", report, StringComparison.Ordinal);
        Assert.Contains("| training step bf16 2×5, captured | ", report, StringComparison.Ordinal);
        Assert.Matches(@"\| kernels compiled by the driver \| [\d.]+ \|", report);
        foreach (string name in (string[])["bf16", "gradient bf16", "dropout gradient bf16", "none bf16", "causal gradient bf16",
            "window bf16", "softcap bf16", "relative gradient bf16"])
            Assert.Contains($"| attention {name} 2×5 | ", report, StringComparison.Ordinal);
        Assert.Contains("- PyTorch: attention causal bf16 2×5, FlexAttention: too old", report, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_forms_that_passed_their_check_are_timed_chosen_and_in_the_ladder()
    {
        var products = new Products([(40, 24)], [9], [9], 9, Calls: 1);
        Journal journal = Open();
        WorkItem[] checks = [.. products.Checks().Where(i => i.Name == "mma-64")];
        Assert.True(Runner.Run(checks, journal, Device) == Runner.Good, string.Join("\n", journal.Results));
        journal.Add(new(Journal.Passed, Products.Forms, "wgmma-128", ""));
        journal.Add(new(Journal.Failed, Products.Forms, "wgmma-256", "element 3"));
        Assert.Equal(Runner.Good, Runner.Run(products.Tuning(journal), journal, Device));
        string[] lines = [.. Products.Table(journal)];
        Assert.Equal(3, lines.Length);
        Assert.All(lines, line => Assert.Matches(@"^9\.0 \S+ 9 40 24 (mma-64|wgmma-128) # mma-64 [\d.]+, wgmma-128 [\d.]+ TFLOP/s$", line));
        _ = ProductTable.Read(lines, "x");
        Assert.Equal(Runner.Good, Runner.Run(products.Rungs(journal), journal, Device));
        Assert.Equal(Journal.Skipped, journal.Find(Products.Ladder, "wgmma-256 9×40×24")!.Result);
        Assert.Equal(Journal.Figure, journal.Find(Products.Ladder, "table WeightGradient 9×40×24")!.Result);
        string report = Report.Write(journal, "Fake", """{ "linear bf16 9×40×24": 0.5, "linear weight gradient bf16 9×40×24": 0.75 }""");
        Assert.Matches(@"\| wgmma-128 9×40×24 \| [\d.]+ \| 0\.5 \| ", report);
        Assert.Matches(@"\| table WeightGradient 9×40×24 \| [\d.]+ \| 0\.8 \| ", report);
    }

    [Fact]
    public void The_form_of_Hopper_is_skipped_where_the_driver_is_too_old_for_it()
    {
        var driver = new FakeDriver { Version = 11080 };
        Journal journal = Open();
        WorkItem[] items = [.. Products.Full.Checks().Where(i => i.Name == "wgmma-128")];
        Assert.Equal(Runner.Good, Runner.Run(items, journal, () => new CudaContext(driver, CudaDevices.List(driver, out _)[0])));
        Assert.Equal(Journal.Skipped, journal.Results.Single().Result);
        Assert.Equal(0, driver.Held);
    }

    [Fact]
    public void The_checks_notice_a_kernel_that_computes_something_else()
    {
        // The next kernel's entry under this one's name: tanh is launched as GELU.
        var driver = new FakeDriver { Replaced = ("gelu_f32", "tanh_f32") };
        WorkItem[] items =
            [.. Checks.All().Where(i => i.Part == "gradients" && i.Name.StartsWith("gelu ", StringComparison.Ordinal))];
        Journal journal = Open();
        Assert.Equal(Runner.Bad, Runner.Run(items, journal, () => new CudaContext(driver, CudaDevices.List(driver, out _)[0])));
        Assert.All(journal.Results, line => Assert.Equal(Journal.Failed, line.Result));
    }

    private static WorkItem Item(string name, Func<string?> run) => new("part", name, _ => run());

    private static GpuDevice Device()
    {
        var driver = new FakeDriver();
        return new CudaContext(driver, CudaDevices.List(driver, out _)[0], TestKernels.Library());
    }

    private Journal Open() => new(_folder["journal.tsv"]);
}
