using System.Diagnostics;
using Conformance.Model;
using Dnabert2;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>
/// The time from the start of the process to the first embedding; the driver compiles the kernels meanwhile, or has kept them.
/// </summary>
internal static class FirstUse
{
    /// <summary>Seconds since the process was started, after a model of constant weights was made and has embedded a sequence.</summary>
    public static string Measure(GpuDevice device, Dnabert2Config config, int tokens)
    {
        using var backend = new CudaBackend(device, DType.BF16);
        using Dnabert2Model model = Dnabert2Model.Make(config, Golden.TinyTokenizer(), backend, ModelParts.Encoder, set => set.FillPacked(
            (parameter, _, destination) => destination.Fill(parameter.Kind == ParameterKind.NormWeight ? 1 : 0.01f)));
        using var arena = new Arena(backend);
        var batch = new Batch(arena, new int[tokens], [tokens]);
        Tape tape = Tape.ForInference(arena);
        var vector = new float[config.HiddenSize];
        backend.DownloadNumbers(new Pool(Pooling.Mean).Forward(tape, model.Encoder.Forward(tape, batch), batch.CuSeqlens).Data, vector);
        using Process process = Process.GetCurrentProcess();
        return FormattableString.Invariant($"{(DateTime.Now - process.StartTime).TotalSeconds:F2}");
    }
}
