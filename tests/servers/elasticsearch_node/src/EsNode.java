import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one Elasticsearch node inside this JVM, for tests.
 *
 * args: HOME (holds config/, data/, logs/, plugins/) and MODULES (one folder per server module). It
 * calls the node directly, so the checks that only the stock launcher makes (not root, entitlement
 * agent, native controller) do not apply. The node ends when its standard input does: so it never
 * outlives the tests that started it, however they end.
 */
public class EsNode {
    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]).toAbsolutePath();
        Path modules = Path.of(args[1]).toAbsolutePath();
        Settings base = Settings.builder().put("path.home", home.toString()).build();
        Environment env = InternalSettingsPreparer.prepareEnvironment(base, Map.of(), home.resolve("config"), () -> "test-node");
        LogConfigurator.registerErrorListener();
        LogConfigurator.configure(env, true);
        // last argument: the server is on the class path, not a named Java module, so it has no exports to hand on
        PluginsLoader plugins = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(modules, false),
            PluginsLoader.loadPluginsBundles(home.resolve("plugins"), false),
            Map.of(),
            false
        );
        Node node = new Node(env, plugins);
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
            closed.countDown();
        }, "close-node"));
        Thread owner = new Thread(EsNode::endWithInput, "owner");
        owner.setDaemon(true);
        owner.start();
        node.start();
        closed.await();
    }

    private static void endWithInput() {
        try {
            while (System.in.read() >= 0) {
            }
        } catch (IOException e) {
            e.printStackTrace();
        }
        System.exit(0);
    }
}
