using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>
/// All that tests, the checks on a GPU and the benchmarks know of an operation. One is written for each operation and found by its type:
/// no list names it.
/// </summary>
internal abstract class OperationSuite
{
    /// <summary>Every operation, by name.</summary>
    public static IReadOnlyList<OperationSuite> All { get; } =
    [
        .. typeof(OperationSuite).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(OperationSuite)))
            .OrderBy(type => type.Name, StringComparer.Ordinal).Select(type => (OperationSuite)Activator.CreateInstance(type)!),
    ];

    /// <summary><see cref="Sizes"/> of every operation.</summary>
    public static IEnumerable<OpCase> AllSizes => All.SelectMany(suite => suite.Sizes);

    /// <summary><see cref="GpuSizes"/> of every operation.</summary>
    public static IEnumerable<OpCase> AllGpuSizes => All.SelectMany(suite => suite.GpuSizes);

    /// <summary><see cref="NarrowSizes"/> of every operation.</summary>
    public static IEnumerable<OpCase> AllNarrowSizes => All.SelectMany(suite => suite.NarrowSizes);

    /// <summary><see cref="Runs"/> of every operation.</summary>
    public static IEnumerable<BackendRun> AllRuns => All.SelectMany(suite => suite.Runs);

    /// <summary><see cref="OnTape"/> of every operation.</summary>
    public static IEnumerable<OperationCase> AllOnTape => All.SelectMany(suite => suite.OnTape);

    /// <summary>Odd shapes: every length in each dimension that a kernel blocks, and what lies around its tiles.</summary>
    public virtual IEnumerable<OpCase> Sizes => [];

    /// <summary>Odd shapes around the tiles of the GPU kernels: few and small enough to be interpreted.</summary>
    public virtual IEnumerable<OpCase> GpuSizes => [];

    /// <summary>Sizes that have a form in bf16, which is compared with that in fp32.</summary>
    public virtual IEnumerable<OpCase> NarrowSizes => [];

    /// <summary>Gradients, and what else has no case of its own, on a GPU against the CPU.</summary>
    public virtual IEnumerable<BackendRun> Runs => [];

    /// <summary>The operation in a model: its operands and gradients on a tape.</summary>
    public virtual IEnumerable<OperationCase> OnTape => [];

    /// <summary>KernelLaunches every kernel of the operation once.</summary>
    public virtual void Launch(KernelLaunches on)
    {
    }

    /// <summary>The lengths that every dimension goes through.</summary>
    protected static IEnumerable<int> Lengths => Enumerable.Range(0, 257);

    /// <summary>Lengths of sequences around the tiles, an empty one among them.</summary>
    protected static int[][] Batches => [[1], [65, 0, 7], [130]];

    /// <summary>Rows that are read 16 bytes at a time and one by one, in registers and wider.</summary>
    protected static (int Rows, int Width)[] Rows =>
        [(5, 8), (5, 13), (5, 40), (5, 264), (5, 768), (5, 1024), (5, 1032), (300, 24)];

    /// <summary>Numbers of elements around the blocks of flat kernels.</summary>
    protected static int[] Counts => [1, 8, 255, 2056];

    /// <summary>A function of single elements, as <c>Forward</c> and <c>ForwardInPlace</c>.</summary>
    protected static IEnumerable<OperationCase> Elementwise(
        string name, Func<Tape, Variable, Variable> forward, Func<Tape, Variable, Variable> inPlace, Converter<double, double> function) =>
        BothPlaces(name, "", _ => ((inputs, x) => forward(inputs.Tape, x[0]), (inputs, x) => inPlace(inputs.Tape, x[0])),
            (x, _, _) => Array.ConvertAll(x[0], function));

    /// <summary>An operation on rows of a matrix, as <c>Forward</c> and <c>ForwardInPlace</c>.</summary>
    protected static IEnumerable<OperationCase> BothPlaces(
        string name, string setting, Func<OperationOwner, (RunOperation Forward, RunOperation InPlace)> declare,
        OperationReference reference, int rows = 5, int width = 7)
    {
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase($"{name}.{(inPlace ? "ForwardInPlace" : "Forward")}", setting, (rows, width))
            {
                Declare = owner => inPlace ? declare(owner).InPlace : declare(owner).Forward,
                Reference = reference,
                InPlace = inPlace ? 0 : -1,
            };
        }
    }

    /// <summary>Dropout, drawn word by word as the generator defines it.</summary>
    protected static double[] Dropped(double[] x, float probability, Philox random) => probability == 0 ? [.. x]
        : [.. x.Select((v, i) => random.Word((ulong)i) >= (uint)(probability * 4294967296.0) ? v / (1 - (double)probability) : 0)];
}
