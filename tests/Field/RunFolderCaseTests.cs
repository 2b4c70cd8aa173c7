using Dnabert2;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Tools;
using Tests.Training;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Cases r-01 and r-02: a run in a folder that is not its own.</summary>
public sealed class RunFolderCaseTests : IDisposable
{
    private const string Recipe = "--method head --steps 4 --batch 8 --warmup 1 --evaluate-every 2 --threads 1";
    private readonly TempFolder _folder = new();

    public RunFolderCaseTests()
    {
        using Backend backend = CpuBackend.Create(1);
        using Dnabert2Model model = Toy.Model(backend);
        ModelFolder.Save(model, _folder["start"]);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_checkpoints_folder_of_another_framework_is_left_with_all_that_is_in_it()
    {
        SharedData.Path("cases/r-01-finetune-deletes-checkpoints");
        Directory.CreateDirectory(_folder["proj/checkpoints/epoch1"]);
        File.WriteAllText(_folder["proj/checkpoints/epoch1/model.ckpt"], "precious\n");
        File.WriteAllText(_folder["proj/evaluation.csv"], "user\n");
        File.WriteAllText(_folder["proj/.lock"], "u\n");
        var before = Toy.Files(_folder["proj"]);
        ToolRun run = Finetune("samples/task", "proj");
        Assert.Equal(2, run.Code);
        Assert.Matches("holds (checkpoints|evaluation.csv), which no fine-tuning has made there.*another folder", run.Error);
        Assert.Equal(before, Toy.Files(_folder["proj"]));
        run = Pretrain("proj", _folder["start"] + "/genome.fa");
        Assert.Equal(2, run.Code);
        Assert.Equal(before, Toy.Files(_folder["proj"]));
    }

    [Fact]
    public void Training_data_are_not_overwritten_where_the_output_is_their_folder()
    {
        SharedData.Path("cases/r-02-output-in-data-folder");
        Copy(Path.Combine(SharedData.Checkout, "tools/dnabert2/samples/task"), _folder["data"]);
        var before = Toy.Files(_folder["data"]);
        foreach (ToolRun run in (ToolRun[])[Finetune(_folder["data"], "data"), Pretrain("data", _folder["data/train.csv"])])
        {
            Assert.Equal(2, run.Code);
            Assert.Contains("this is the input", run.Error, StringComparison.Ordinal);
            Assert.Equal(before, Toy.Files(_folder["data"]));
        }
    }

    private ToolRun Finetune(string data, string output) => ToolRun.Of(
        ["finetune", "--data", data, "--model", _folder["start"], "-o", _folder[output], .. Recipe.Split(' ')]);

    private ToolRun Pretrain(string output, string input) => ToolRun.Of(
    [
        "pretrain", input, "--tokenizer", _folder["start/tokenizer.json"], "-o", _folder[output],
        .. "--hidden 32 --layers 1 --heads 2 --intermediate 64 --steps 2 --batch 4 --warmup 1".Split(' '),
        .. "--min-bases 20 --max-bases 40 --held-out 0.2 -q --threads 1".Split(' '),
    ]);

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }
}
