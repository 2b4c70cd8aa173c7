using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Holds what a backend computes against the float64 reference of a case.</summary>
internal static class OpCheck
{
    /// <exception cref="CheckFailedException">They differ by more than the case allows.</exception>
    public static void Run(OpCase op, Backend backend)
    {
        using var arena = new Arena(backend);
        var storages = new List<Storage>();
        Tensor Guarded(Shape shape, DType dtype)
        {
            storages.Add(backend.Allocate(shape.Count * dtype.Size()));
            return new Tensor(storages[^1], 0, shape, dtype);
        }

        try
        {
            (Action run, Tensor[] outputs) = op.Prepare(backend, arena, Guarded);
            run();
            double[][] expected = op.Expected;
            Check.That(expected.Length == outputs.Length, $"{op.Name} has {outputs.Length} outputs, expected {expected.Length}");
            for (int i = 0; i < expected.Length; i++)
            {
                var actual = new float[outputs[i].Count];
                backend.Download<float>(outputs[i], actual);
                Check.NearRelative(expected[i], actual, op.Tolerance, $"{op.Name}, output {i}, {backend.Description}");
            }
        }
        finally
        {
            foreach (Storage storage in storages) storage.Dispose();
        }
    }
}
