using Tests.Files;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Runs whose log cannot be written.</summary>
public class LoggingTests
{
    [Fact]
    public void Pre_training_goes_on_to_its_end_on_a_full_disk_of_logs_as_of_the_case()
    {
        _ = SharedData.Path("cases/r-07-stderr-full-aborts");
        Assert.SkipWhen(OperatingSystem.IsWindows(), "descriptors are closed by a Unix shell");
        using var folder = new TempFolder();
        string arguments = $"pretrain '{ToyModel.SamplePath}' --tokenizer '{ToyModel.TokenizerPath}' --hidden 32 --layers 1 --heads 2 "
            + "--intermediate 64 --steps 20 --batch 4 --max-bases 100 --warmup 2";
        Shell.Run(folder["."], $"dotnet '{ToolRun.Program}' {arguments} -o run 2>/dev/full >table");
        Assert.NotEmpty(File.ReadAllText(folder["table"]));
        Assert.NotEmpty(Directory.GetFiles(folder["run"], "model.safetensors", SearchOption.AllDirectories));
    }
}
