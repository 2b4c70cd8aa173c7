using System.Globalization;
using System.Text;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.FineTuning;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Training;

namespace Tests.FineTuning;

/// <summary>A tiny pre-trained model's folder, without pooler and classifier, and tasks that are easy to learn.</summary>
internal sealed class ToyTask : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finetune-");

    public ToyTask(Backend backend)
    {
        using Dnabert2Model model = Toy.Model(backend);
        ModelFolder.Save(model, Start);
    }

    public static FineTuneOptions Recipe { get; } = new()
    {
        Steps = 10,
        Batch = 6,
        MaxTokens = 20,
        MicroBatchTokens = 60,
        LearningRate = 5e-3,
        WarmupSteps = 2,
        EvaluateEvery = 4,
        Lora = new LoraOptions { Rank = 3, Dropout = 0.2, Targets = ["Wqkv", "mlp.*"] },
    };

    public string Start => this["start"];

    public string this[string name] => Path.Combine(_folder.FullName, name);

    public static FineTuneOptions With(FineTuneMethod method) => Recipe with { Method = method };

    /// <summary>Writes and reads a task: the share of A decides.</summary>
    public LabelledTask Task(TaskKind kind = TaskKind.SingleLabel, int train = 30, bool pairs = false, string name = "task")
    {
        Directory.CreateDirectory(this[name]);
        foreach ((string part, int rows, ulong seed) in new[] { ("train", train, 1ul), ("dev", 12, 2ul), ("test", 14, 3ul) })
        {
            var csv = new StringBuilder(pairs ? "sequence1,sequence2,label\n" : "sequence,label\n");
            for (int i = 0; i < rows; i++)
            {
                int a = (i * 7 + (int)seed) % 3;
                string label = kind switch
                {
                    TaskKind.SingleLabel => a == 2 ? "rich" : a == 1 ? "poor" : "none",
                    TaskKind.MultiLabel => a == 2 ? "x;y" : a == 1 ? "x" : "",
                    _ => (a - 0.5).ToString(CultureInfo.InvariantCulture),
                };
                csv.Append(Bases(seed + (ulong)(100 * i), a)).Append(pairs ? "," + Bases(seed + (ulong)(100 * i) + 7, a) : "").Append(',')
                    .Append(label).Append('\n');
            }

            File.WriteAllText(Path.Combine(this[name], part + ".csv"), csv.ToString());
        }

        return LabelledTask.Read(this[name], kind);
    }

    public static SortedDictionary<string, byte[]> Files(string folder) => Toy.Files(folder);

    public void Dispose() => _folder.Delete(recursive: true);

    private static string Bases(ulong seed, int richness)
    {
        var random = new Philox(seed, 1, 0);
        return string.Concat(
            Enumerable.Range(0, 40)
            .Select(i => random.Word((ulong)i) % 8 < 3 * (uint)richness ? 'A' : "CGT"[(int)(random.Word((ulong)i + 100) % 3)]));
    }
}
