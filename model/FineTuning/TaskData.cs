using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Dnabert2.Tokenizers;

namespace Dnabert2.FineTuning;

/// <summary>A part of a task, tokenised.</summary>
/// <param name="Sequences">The sequences.</param>
/// <param name="Targets">Their labels.</param>
internal sealed record TaskPart(TokenSequences Sequences, Target[] Targets)
{
    public static TaskPart Of(LabelledSet set, ISequenceTokenizer tokenizer, int maxTokens) =>
        new(TokenSequences.Of(set, tokenizer, maxTokens), [.. set.Select(row => row.Target)]);

    public int Count => Targets.Length;
}

/// <summary>The data of a fine-tuning, tokenised.</summary>
internal sealed class TaskData
{
    /// <summary>Tokenises a task.</summary>
    /// <exception cref="ArgumentException">A part is missing.</exception>
    public TaskData(LabelledTask task, ISequenceTokenizer tokenizer, int maxTokens)
    {
        Config = new TaskConfig(task.Kind, task.Names, maxTokens);
        Train = TaskPart.Of(task.Train ?? throw Missing("train"), tokenizer, maxTokens);
        Dev = TaskPart.Of(task.Dev ?? throw Missing("dev"), tokenizer, maxTokens);
        Test = TaskPart.Of(task.Test ?? throw Missing("test"), tokenizer, maxTokens);

        ArgumentException Missing(string part) => new($"{task.Folder}: the task was read without {part}, which fine-tuning needs");
    }

    public TaskConfig Config { get; }

    public TaskPart Train { get; }

    public TaskPart Dev { get; }

    public TaskPart Test { get; }

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
                ReadOnlySpan<int> ids = part.Sequences[i], classes = part.Targets[i].Classes;
                hash.AppendData(
                    MemoryMarshal.AsBytes<int>(
                        [ids.Length, part.Targets[i].Class, BitConverter.SingleToInt32Bits(part.Targets[i].Value), classes.Length]));
                hash.AppendData(MemoryMarshal.AsBytes(ids));
                hash.AppendData(MemoryMarshal.AsBytes(classes));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
