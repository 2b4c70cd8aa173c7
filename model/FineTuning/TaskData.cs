using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Dnabert2.Tokenizers;

namespace Dnabert2.FineTuning;

/// <summary>A part of a task, tokenised.</summary>
/// <param name="Sequences">The sequences; where both strands count, each followed by its other one.</param>
/// <param name="Targets">Their labels.</param>
internal sealed record TaskPart(TokenSequences Sequences, Target[] Targets)
{
    public static TaskPart Of(LabelledSet set, ISequenceTokenizer tokenizer, int maxTokens, bool bothStrands = false) =>
        new(TokenSequences.Of(set, tokenizer, maxTokens, bothStrands), [.. set.Select(row => row.Target)]);

    public int Count => Targets.Length;

    /// <summary>The tokens of a row, of the strand that the file has.</summary>
    public ReadOnlySpan<int> this[int row] => Sequences[row * (Sequences.Count / Count)];

    /// <summary>The tokens of the other strand, where both count.</summary>
    public ReadOnlySpan<int> OtherStrand(int row) => Sequences[(2 * row) + 1];

    /// <summary>The outputs of rows from those of their sequences; see <see cref="Strands.Joined"/>.</summary>
    /// <param name="kind">The kind of task.</param>
    /// <param name="logits">[sequences, outputs].</param>
    public float[] Logits(TaskKind kind, float[] logits) =>
        Sequences.Count == Count ? logits : Strands.Joined(kind, logits, logits.Length / Sequences.Count);
}

/// <summary>The data of a fine-tuning, tokenised.</summary>
internal sealed class TaskData
{
    /// <summary>Tokenises a task.</summary>
    /// <exception cref="ArgumentException">A part is missing.</exception>
    public TaskData(LabelledTask task, ISequenceTokenizer tokenizer, FineTuneOptions options)
    {
        int maxTokens = options.MaxTokens!.Value;
        Config = new TaskConfig(task.Kind, task.Names, maxTokens);
        Train = TaskPart.Of(task.Train ?? throw Missing("train"), tokenizer, maxTokens, options.AugmentReverseComplement);
        Dev = TaskPart.Of(task.Dev ?? throw Missing("dev"), tokenizer, maxTokens, options.AverageReverseComplement);
        Test = TaskPart.Of(task.Test ?? throw Missing("test"), tokenizer, maxTokens, options.AverageReverseComplement);

        ArgumentException Missing(string part) => new($"{task.Folder}: the task was read without {part}, which fine-tuning needs");
    }

    public TaskConfig Config { get; }

    public TaskPart Train { get; }

    public TaskPart Dev { get; }

    public TaskPart Test { get; }

    /// <summary>Finds rows that a model whose rows have one length cannot take.</summary>
    /// <param name="padding">That length.</param>
    /// <param name="folder">The folder of the task, for messages.</param>
    /// <exception cref="InvalidDataException">There is one; the message names it.</exception>
    public void Check(RowPadding padding, string folder)
    {
        foreach ((string name, TaskPart part) in new[] { ("train", Train), ("dev", Dev), ("test", Test) })
            for (int i = 0; i < part.Count; i++)
                if (padding.FaultOf(part[i].Length) is { } fault)
                    throw new InvalidDataException($"{folder}: {name}, row {i + 1}: the sequence has {fault}; take out such rows");
    }

    /// <summary>What was truncated, a line for each part; none where nothing was.</summary>
    public IEnumerable<string> DescribeTruncation()
    {
        foreach ((string name, TaskPart part) in new[] { ("train", Train), ("dev", Dev), ("test", Test) })
            if (part.Sequences.Truncated > 0)
                yield return $"{name}: {part.Sequences.Truncated} of {part.Count} rows are longer than "
                    + $"{Config.MaxTokens} tokens and were truncated";
    }

    /// <summary>SHA-256 of all tokens, labels and names, and of what else is given; lower-case hexadecimal.</summary>
    public string Hash(string besides)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{besides}\n{Config.Kind}\n{string.Join('\n', Config.Names)}\n"));
        foreach (TaskPart part in (TaskPart[])[Train, Dev, Test])
        {
            for (int i = 0; i < part.Count; i++)
            {
                ReadOnlySpan<int> ids = part[i], classes = part.Targets[i].Classes;
                ReadOnlySpan<float> values = part.Targets[i].Values;
                int value = values.IsEmpty ? 0 : BitConverter.SingleToInt32Bits(values[0]);
                hash.AppendData(MemoryMarshal.AsBytes<int>([ids.Length, part.Targets[i].Class, value, classes.Length]));
                hash.AppendData(MemoryMarshal.AsBytes(ids));
                hash.AppendData(MemoryMarshal.AsBytes(classes));
                if (values.Length > 1) hash.AppendData(MemoryMarshal.AsBytes(values[1..]));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
