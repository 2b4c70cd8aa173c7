using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.Training;

/// <summary>
/// Holds before the first step that all ranks are about to do the same: the same program, data, options and weights, on processors or GPUs
/// that give the same bits.
/// </summary>
internal static class RankAgreement
{
    private const int Piece = 1 << 18;

    /// <summary>Compares the ranks of a run.</summary>
    /// <exception cref="InvalidDataException">They differ; every rank throws, and the message says in what.</exception>
    public static void Check(Communicator ranks, ITrainingTask task, ITrainingStep step, RunState state)
    {
        SequenceModel model = step.Model;
        var said = new List<(string What, string Value)>
        {
            ("the version of the program", Version),
            ("the kind of the run", task.Identity.Format),
            ("the data, by their checksum,", task.Identity.Data),
        };
        said.AddRange(Options(task.Identity));
        said.Add(("what computes", $"{model.Backend.Arithmetic}, activations {model.Backend.ActivationType}"));
        said.Add(("the number of steps done", $"{state.Step}"));
        said.Add(("the weights, by their checksum,", HashOf(model.Backend, model.Parameters.Values)));
        said.Add(("the moments, by their checksum,", HashOf(model.Backend, step.Optimizer.FirstMoment, step.Optimizer.SecondMoment)));
        Check(ranks, said);
    }

    /// <summary>Compares what ranks say of themselves.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    internal static void Check(Communicator ranks, IReadOnlyList<(string What, string Value)> said)
    {
        byte[][] all = ranks.AllGather(Encoding.UTF8.GetBytes(string.Join('\0', said.Select(s => $"{s.What}\n{s.Value}"))));
        string[] first = Encoding.UTF8.GetString(all[0]).Split('\0');
        for (int rank = 1; rank < all.Length; rank++)
        {
            string[] other = Encoding.UTF8.GetString(all[rank]).Split('\0');
            for (int i = 0; i < Math.Max(first.Length, other.Length); i++)
                if (At(first, i) != At(other, i)) throw Differ(rank, At(first, i), At(other, i));
        }

        static string At(string[] lines, int index) => index < lines.Length ? lines[index] : "absent\nabsent";
    }

    /// <summary>The version of this program, with that of its source where it has one.</summary>
    internal static string Version =>
        typeof(RankAgreement).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private static InvalidDataException Differ(int rank, string first, string other)
    {
        string[] one = first.Split('\n', 2), two = other.Split('\n', 2);
        return new InvalidDataException(
            $"ranks differ: {one[0]} is {Excerpt.Of(one[1])} on rank 0 and {Excerpt.Of(two[1])} on rank {rank}; start all ranks with the "
            + "same program, data and options, on machines that compute alike");
    }

    private static List<(string What, string Value)> Options(RunIdentity identity)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes)) identity.Options(json);
        using JsonDocument options = JsonDocument.Parse(bytes.ToArray());
        return [.. options.RootElement.EnumerateObject().Select(option => ($"the option {option.Name}", option.Value.GetRawText()))];
    }

    private static string HashOf(Backend backend, params ReadOnlySpan<Tensor> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        float[] buffer = new float[Piece];
        foreach (Tensor tensor in tensors)
        {
            for (long start = 0; start < tensor.Count; start += Piece)
            {
                Span<float> values = buffer.AsSpan(0, (int)Math.Min(Piece, tensor.Count - start));
                backend.Download(tensor.Slice(start, new Shape(values.Length)), values);
                hash.AppendData(MemoryMarshal.AsBytes(values));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
