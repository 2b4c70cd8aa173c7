using System.Text;
using System.Text.Json;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Folders;

/// <summary>
/// A published model that is on record: the SHA-256 of its files of weights, and what its own code made of a few sequences. So whoever has
/// the weights can hold this engine against the original.
/// </summary>
public sealed class KnownCheckpoint
{
    private const string Resource = "Dnabert2.Folders.known_checkpoints.json";
    private readonly HashSet<string> _weights;
    private readonly List<Output> _outputs;

    private KnownCheckpoint(JsonElement record)
    {
        Name = record.GetProperty("name").GetString()!;
        Revision = record.GetProperty("revision").GetString()!;
        _weights = [.. record.GetProperty("weights").EnumerateObject().Select(file => file.Value.GetString()!)];
        _outputs = [.. record.GetProperty("outputs").EnumerateArray().Select(output => new Output(
            output.GetProperty("sequence").GetString()!, output.GetProperty("special_tokens").GetBoolean(),
            [.. output.GetProperty("first").EnumerateArray().Select(number => number.GetDouble())],
            output.GetProperty("length").GetDouble()))];
    }

    /// <summary>Those that come with this library.</summary>
    public static IReadOnlyList<KnownCheckpoint> All { get; } = ReadAll();

    /// <summary>Owner and name on Hugging Face.</summary>
    public string Name { get; }

    /// <summary>The commit there.</summary>
    public string Revision { get; }

    /// <summary>Finds out which published model a folder's weights are.</summary>
    /// <param name="folder">The folder of a model.</param>
    /// <param name="cancellation">Ends the reading of files.</param>
    /// <returns>The model, or null where a file of weights is not on record.</returns>
    /// <exception cref="IOException">There are no weights, or they cannot be read.</exception>
    /// <exception cref="InvalidDataException">The index of the weights is damaged.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static KnownCheckpoint? Find(string folder, CancellationToken cancellation = default) => Find(folder, All, cancellation);

    internal static KnownCheckpoint? Find(string folder, IReadOnlyList<KnownCheckpoint> all, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        StoredFile weights = ModelWeights.Find(folder)
            ?? throw new FileNotFoundException($"{folder}: there are no weights ({ModelWeights.Safetensors} or {ModelWeights.Torch})");
        string[] hashes = [.. ModelWeights.FilesOf(folder, weights).Select(file => FileHash.OfFile(file, cancellation))];
        return all.FirstOrDefault(known => hashes.All(known._weights.Contains));
    }

    /// <summary>Records as they are written in a file of them.</summary>
    internal static IReadOnlyList<KnownCheckpoint> Read(Stream stream)
    {
        using var document = JsonDocument.Parse(stream);
        return [.. document.RootElement.GetProperty("checkpoints").EnumerateArray().Select(record => new KnownCheckpoint(record))];
    }

    /// <summary>Computes what is on record and compares.</summary>
    /// <param name="model">The model, loaded from the folder that was found to be this one.</param>
    public CheckpointVerification Verify(SequenceModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        double worst = 0;
        foreach (Output output in _outputs)
        {
            float[] mean = Mean(model, output);
            double length = Math.Sqrt(mean.Sum(v => (double)v * v));
            worst = Max(worst, Math.Abs((length / output.Length) - 1));
            for (int i = 0; i < output.First.Length; i++) worst = Max(worst, Math.Abs(mean[i] - output.First[i]));
        }

        return new CheckpointVerification(_outputs.Count, worst);

        // What is not a number is the worst of all.
        static double Max(double a, double b) => double.IsNaN(b) || b > a ? b : a;
    }

    /// <summary>The mean of the last hidden states over all tokens.</summary>
    private static float[] Mean(SequenceModel model, Output output)
    {
        var ids = new List<int>();
        SpecialTokenFrame frame = output.HasSpecialTokens ? model.Frame : default;
        ids.AddRange(frame.Before.Span);
        model.Tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(output.Sequence), ids);
        ids.AddRange(frame.After.Span);
        using var arena = new Arena(model.Backend);
        var batch = new Batch(arena, [.. ids], [ids.Count]);
        var mean = new float[model.HiddenSize];
        model.Backend.Download<float>(model.EncodeSequences(Tape.ForInference(arena), batch, Pooling.Mean).Data, mean);
        return mean;
    }

    private static IReadOnlyList<KnownCheckpoint> ReadAll()
    {
        using Stream stream = typeof(KnownCheckpoint).Assembly.GetManifestResourceStream(Resource)!;
        return Read(stream);
    }

    /// <summary>What the original made of a sequence.</summary>
    /// <param name="Sequence">The bases.</param>
    /// <param name="HasSpecialTokens">Whether the special tokens of the model were around them.</param>
    /// <param name="First">The first numbers of the mean of the last hidden states.</param>
    /// <param name="Length">The Euclidean length of that mean.</param>
    private sealed record Output(string Sequence, bool HasSpecialTokens, double[] First, double Length);
}

/// <summary>What came out of holding this engine against the original.</summary>
/// <param name="Outputs">The sequences that were compared.</param>
/// <param name="LargestDifference">
/// The largest difference of a recorded number, or relative one of a vector's length; NaN where the engine gives no number.
/// </param>
public sealed record CheckpointVerification(int Outputs, double LargestDifference)
{
    /// <summary>The largest difference that the record allows, its makers' own.</summary>
    public const double Allowed = 1e-4;

    /// <summary>Whether this engine computes what the original does.</summary>
    public bool Holds => LargestDifference <= Allowed;
}
